// Command compat uses a Kinesis server through the AWS SDK for Go v2, one run for each argument `name=endpoint`, and prints
// one JSON line for each thing that it tried. The key, the region and the certificate authority come from the environment
// variables of AWS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
)

const module = "github.com/aws/aws-sdk-go-v2/service/kinesis"

var ctx = context.Background()

// Run is one endpoint, and what is tried there.
type Run struct {
	name, endpoint string
	config         aws.Config
	client         *kinesis.Client
}

type line struct {
	Client  string `json:"client"`
	Version string `json:"version"`
	Run     string `json:"run"`
	Area    string `json:"area"`
	Test    string `json:"test"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
}

func main() {
	for _, argument := range os.Args[1:] {
		name, endpoint, found := strings.Cut(argument, "=")
		if !found {
			fmt.Fprintf(os.Stderr, "%q is not NAME=ENDPOINT\n", argument)
			os.Exit(2)
		}
		loaded, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		run := &Run{name: name, endpoint: endpoint, config: loaded}
		run.client = run.connect()
		run.all()
	}
}

func (run *Run) connect(options ...func(*kinesis.Options)) *kinesis.Client {
	at := func(o *kinesis.Options) { o.BaseEndpoint = aws.String(run.endpoint) }
	return kinesis.NewFromConfig(run.config, append([]func(*kinesis.Options){at}, options...)...)
}

// test runs one thing that is tried; it fails by panicking.
func (run *Run) test(area, name string, body func()) {
	result := line{"AWS SDK for Go v2", version(), run.name, area, name, true, ""}
	defer func() {
		if problem := recover(); problem != nil {
			result.OK = false
			result.Detail = fmt.Sprintf("%v\n%s", problem, debug.Stack())
		}
		text, err := json.Marshal(result)
		check(err)
		fmt.Println(string(text))
	}()
	body()
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	panic("the program was built without " + module)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func ensure(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

func equal[T comparable](found, wanted T) {
	ensure(found == wanted, "found %#v, not %#v", found, wanted)
}

// refused says that a call was refused with this code and a message that has this in it.
func refused(err error, code, message string) {
	var refusal smithy.APIError
	ensure(errors.As(err, &refusal), "not refused with %s: %v", code, err)
	equal(refusal.ErrorCode(), code)
	ensure(strings.Contains(refusal.ErrorMessage(), message), "%q says nothing of %q", refusal.ErrorMessage(), message)
}

// eventually repeats something until it says true.
func eventually(what string, done func() bool) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	panic("in vain waited for: " + what)
}

func recent(moment *time.Time) {
	ensure(moment != nil && time.Since(*moment).Abs() < 5*time.Minute, "%v is not now", moment)
}
