use super::*;
use rheos_types::limits::Call;

fn env<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn file(text: &str) -> Option<FileText<'_>> {
    Some(FileText { name: "rheos.toml", text })
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let config = resolve(Flags::default(), env(&[]), None).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("rheos-data"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:4566");
    assert_eq!((config.limits, config.dev, config.transition_ms), (Profile::Aws, false, 100));
    assert_eq!((config.account_id.as_str(), config.region.as_str()), ("000000000000", "us-east-1"));
    assert_eq!((config.memory, config.streams, config.root_key), (256 << 20, Vec::new(), None));
    assert!(!config.stream_ids);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let toml = "listen = '0.0.0.0:1'\nregion = 'eu-west-1'\nlimits = 'open'\ntransition_ms = 7\nmemory = '1GiB'\n\
                dev = true\nstream_ids = true\nstream = ['a:1', 'b:2']\nlog_format = 'json'\ndata_dir = '/file'";
    let variables = [("RHEOS_LISTEN", "0.0.0.0:2"), ("RHEOS_REGION", "eu-west-2"), ("RHEOS_DATA_DIR", "/env")];
    let flags = Flags { listen: Some("localhost:3".to_owned()), ..Flags::default() };
    let config = resolve(flags, env(&variables), file(toml)).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.region.as_str(), "eu-west-2");
    assert_eq!(config.data_dir, PathBuf::from("/env"));
    assert_eq!((config.limits, config.transition_ms, config.memory), (Profile::Open, 7, 1 << 30));
    assert_eq!((config.dev, config.log_format, config.streams.len()), (true, LogFormat::Json, 2));
    assert!(config.stream_ids);
    let flags = Flags { streams: vec!["c:9".to_owned()], dev: Some(false), ..Flags::default() };
    let config = resolve(flags, env(&[("RHEOS_STREAM", "x:1,y:1")]), file(toml)).unwrap();
    assert_eq!((config.streams.len(), config.streams[0].shards, config.dev), (1, 9, false));
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    let said = |flags: Flags, variables: &[(&str, &str)], toml: &str| {
        resolve(flags, env(variables), file(toml)).unwrap_err().to_string()
    };
    let none = Flags::default;
    let error = said(none(), &[], "lisen = 'x'");
    assert!(error.starts_with("rheos.toml: ") && error.contains("lisen") && error.contains("listen"), "{error}");
    let error = said(none(), &[], "transition_ms = 'soon'");
    assert!(error.contains("transition_ms"), "{error}");
    let error = said(none(), &[], "memory = true");
    assert!(error.contains("memory") && error.contains("256MiB"), "{error}");
    for (name, value, expected) in [
        ("RHEOS_LISTEN", "4566", "RHEOS_LISTEN: \"4566\" is not ADDRESS:PORT"),
        ("RHEOS_LIMITS", "AWS", "RHEOS_LIMITS: \"AWS\" is none of aws, open and chaos"),
        ("RHEOS_DEV", "maybe", "RHEOS_DEV: \"maybe\" is neither true nor false"),
        ("RHEOS_STREAM_IDS", "maybe", "RHEOS_STREAM_IDS: \"maybe\" is neither true nor false"),
        ("RHEOS_ACCOUNT_ID", "1", "RHEOS_ACCOUNT_ID: \"1\" is not a valid account id: expected twelve digits"),
        ("RHEOS_STREAM", "orders", "RHEOS_STREAM: \"orders\" is not NAME:SHARDS"),
        ("RHEOS_STREAM", "orders:0", "RHEOS_STREAM: \"orders:0\" is not NAME:SHARDS"),
        ("RHEOS_MEMORY", "lots", "RHEOS_MEMORY: \"lots\" is not a size"),
        ("RHEOS_MEMORY", "1MiB", "memory: 1048576 bytes are too few"),
        ("RHEOS_LOG_FORMAT", "xml", "RHEOS_LOG_FORMAT: \"xml\" is neither text nor json"),
        ("AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY: expected, as AWS_ACCESS_KEY_ID is set"),
    ] {
        let error = said(none(), &[(name, value)], "");
        assert!(error.starts_with(expected), "{name}={value}: {error}");
    }
    let flags = Flags { region: Some("US".to_owned()), ..none() };
    assert!(said(flags, &[], "").starts_with("--region: \"US\" is not a valid region"));
    assert!(said(none(), &[], "limits = 'none'").starts_with("limits in rheos.toml: \"none\" is none of"));
}

#[test]
fn limits_are_set_one_by_one_over_the_profile() {
    let limits = |flags: &[&str], variables: &[(&str, &str)], toml: &str| {
        let overrides = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let resolved = resolve(Flags { overrides, ..Flags::default() }, env(variables), file(toml));
        resolved.map(|config| config.effective_limits()).map_err(|error| error.to_string())
    };
    let aws = Profile::Aws.limits();
    let toml = "limit = ['reads_per_s=8', 'calls_per_s.DescribeStream=none']";
    let read = limits(&[], &[], toml).unwrap();
    assert_eq!((read.reads_per_s, read.calls_per_s.of(Call::DescribeStream)), (Some(8), None));
    let table = "[limit]\nreads_per_s = 8\ncalls_per_s.DescribeStream = 'none'";
    assert_eq!(limits(&[], &[], table), Ok(read));
    let variables = [("RHEOS_LIMIT", "reads_per_s=9, shards_per_account=none")];
    let read = limits(&[], &variables, toml).unwrap();
    assert_eq!((read.reads_per_s, read.shards_per_account), (Some(9), None));
    assert_eq!(read.calls_per_s, aws.calls_per_s, "the environment's list, not also the file's");
    let read = limits(&["calls_per_s=none", "calls_per_s.ListStreams=2"], &variables, toml).unwrap();
    assert_eq!((read.reads_per_s, read.calls_per_s.of(Call::CreateStream)), (Some(5), None));
    assert_eq!(read.calls_per_s.of(Call::ListStreams), Some(2), "a later one wins");
    assert_eq!(limits(&[], &[], "").unwrap(), aws);

    let error = limits(&["reads=1"], &[], "").unwrap_err();
    assert!(error.starts_with("--limit: there is no limit \"reads\": expected one of write_bytes_per_s"), "{error}");
    let error = limits(&[], &[("RHEOS_LIMIT", "reads_per_s=0")], "").unwrap_err();
    assert!(error.starts_with("RHEOS_LIMIT: \"0\" is no value of reads_per_s: expected a number from 1"), "{error}");
    let error = limits(&[], &[], "[limit]\nreads_per_s = -1").unwrap_err();
    assert!(error.starts_with("limit in rheos.toml: \"-1\" is no value"), "{error}");
    assert!(limits(&[], &[], "limit = 5").unwrap_err().contains("a list such as"));
}

#[test]
fn chaos_is_a_profile_or_a_setting_of_its_own() {
    let read = |limits: Option<Choice>, chaos: Option<&str>, variables: &[(&str, &str)]| {
        let flags = Flags { limits, chaos: chaos.map(str::to_owned), ..Flags::default() };
        resolve(flags, env(variables), None)
            .map(|config| (config.limits, config.chaos))
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(None, None, &[]), Ok((Profile::Aws, None)));
    assert_eq!(read(Some(Choice::Chaos), None, &[]), Ok((Profile::Aws, Some(Chaos::default()))));
    let drops: Chaos = "drop=0.5".parse().unwrap();
    let variables = [("RHEOS_CHAOS", "drop=0.5"), ("RHEOS_LIMITS", "chaos")];
    assert_eq!(read(None, None, &variables), Ok((Profile::Aws, Some(drops.clone()))));
    assert_eq!(read(Some(Choice::Open), None, &variables), Ok((Profile::Open, Some(drops))));
    let error = read(None, Some("often"), &variables).unwrap_err();
    assert!(error.starts_with("--chaos: \"often\" is none of seed=NUMBER, throttle=SHARE"), "{error}");
}

#[test]
fn settings_of_tls_go_together_or_not_at_all() {
    let of = |toml: &str| resolve(Flags::default(), env(&[]), file(toml)).map(|config| config.tls);
    assert_eq!(of("").unwrap(), Tls::default());
    let tls = of("tls_cert = 'c'\ntls_key = 'k'\nrequire_tls = true").unwrap();
    assert_eq!(tls.certificate, Some(Certificate::Files { chain: "c".into(), key: "k".into() }));
    assert!(tls.required);
    let tls = of("dev_tls = true\ntls_name = ['*.a.example', '10.0.0.1', '::2']").unwrap();
    let names = ["*.a.example", "10.0.0.1", "::2"].map(str::to_owned).to_vec();
    assert_eq!(tls.certificate, Some(Certificate::Development { names }));
    for (toml, expected) in [
        ("tls_cert = 'c'", "tls_key: expected, as tls_cert is set"),
        ("tls_key = 'k'", "tls_cert: expected, as tls_key is set"),
        ("tls_cert = 'c'\ntls_key = 'k'\ndev_tls = true", "dev_tls: not together with tls_cert"),
        ("tls_name = ['a']", "tls_name: has a meaning with dev_tls only"),
        ("require_tls = true", "require_tls: there is no TLS"),
        ("tls_cert = ''", "tls_cert in rheos.toml: expected a file"),
        ("dev_tls = true\ntls_name = ['a b']", "tls_name in rheos.toml: \"a b\" is neither a name"),
        ("dev_tls = true\ntls_name = ['*']", "tls_name in rheos.toml: \"*\" is neither a name"),
    ] {
        let error = of(toml).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{toml}: {error}");
    }
    let variables = [("RHEOS_DEV_TLS", "true"), ("RHEOS_TLS_NAME", "a,b"), ("RHEOS_REQUIRE_TLS", "1")];
    let flags = Flags { tls_names: vec!["c".to_owned()], ..Flags::default() };
    let tls = resolve(flags, env(&variables), None).unwrap().tls;
    assert_eq!(tls.certificate, Some(Certificate::Development { names: vec!["c".to_owned()] }));
    assert!(tls.required);
}

#[test]
fn the_key_of_the_environment_stands_in() {
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAX"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "")];
    let key = resolve(Flags::default(), env(&variables), None).unwrap().root_key.unwrap();
    assert_eq!((key.id.as_str(), key.session_token), ("AKIAX", None));
}

#[test]
fn sizes_read_as_people_write_them() {
    for (text, expected) in [
        ("0", Some(0)),
        ("123", Some(123)),
        ("256MiB", Some(256 << 20)),
        ("1 GiB", Some(1 << 30)),
        ("5kb", Some(5000)),
        ("2g", Some(2 << 30)),
        ("", None),
        ("MiB", None),
        ("1.5GiB", None),
        ("-1", None),
        ("99999999999GiB", None),
    ] {
        assert_eq!(parse_size(text).ok(), expected, "{text:?}");
    }
}
