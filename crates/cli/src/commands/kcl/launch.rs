//! The command line of the daemon: its own, and that of `java` with which kclpy, Node and Ruby start the Java daemon.

use std::path::{Path, PathBuf};

use rheos_client::multilang::properties;
use rheos_client::multilang::protocol::Protocol;

use crate::edge;
use crate::failure::{Failure, Outcome};

/// The main classes of the Java daemon, and how it talks.
const CLASSES: [(&str, Protocol); 2] = [
    ("software.amazon.kinesis.multilang.MultiLangDaemon", Protocol::Two),
    ("com.amazonaws.services.kinesis.multilang.MultiLangDaemon", Protocol::One),
];

/// What was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Launch {
    properties: Option<String>,
    /// Where the Java daemon looks for the file first.
    class_path: Vec<PathBuf>,
    /// How the Java daemon that was asked for talks.
    pub(super) protocol: Protocol,
}

impl Launch {
    /// Reads either command line. What is about the Java machine, or its log, says nothing here.
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut launch = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            if let Some((_, protocol)) = CLASSES.iter().find(|(class, _)| *class == name) {
                launch.protocol = *protocol;
                continue;
            }
            let mut value = || {
                let value = inline.clone().or_else(|| arguments.next().cloned());
                value.ok_or_else(|| Failure::usage(format!("{name} needs a value")))
            };
            match name {
                "-cp" | "-classpath" | "--class-path" => {
                    launch.class_path =
                        value()?.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
                }
                "-p" | "--properties-file" => launch.properties = Some(value()?),
                "-l" | "--log-configuration" => drop(value()?),
                _ if name.starts_with("-D") || name.starts_with("-X") || name == "-server" => {}
                _ if name.starts_with('-') => {
                    return Err(Failure::usage(format!("{name} is no option of the daemon")).hint(
                        "rheos kcl --properties-file FILE, or the command line of `java` that starts the daemon",
                    ));
                }
                _ if launch.properties.is_some() => {
                    return Err(Failure::usage(format!("{argument} is one file too many")));
                }
                _ => launch.properties = Some(argument.clone()),
            }
        }
        Ok(launch)
    }

    /// The text of the properties file: in a directory of the class path, or where its name says.
    pub(super) fn read(&self) -> Outcome<String> {
        let name = self
            .properties
            .as_ref()
            .ok_or_else(|| Failure::usage("no properties file was named").hint("rheos kcl --properties-file FILE"))?;
        let in_class_path = self.class_path.iter().map(|directory| directory.join(name));
        let path = in_class_path.chain([PathBuf::from(name)]).find(|path| path.is_file());
        let path = path.ok_or_else(|| Failure::new(format!("there is no properties file {name}")))?;
        text(&path)
    }
}

fn text(path: &Path) -> Outcome<String> {
    let bytes = edge::read(path).map_err(|error| Failure::io(path.display(), &error))?;
    Ok(properties::text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Launch> {
        Launch::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_lines_of_java_are_understood() {
        let expected = |class_path: &[&str]| Launch {
            properties: Some("app.properties".to_owned()),
            class_path: class_path.iter().map(PathBuf::from).collect(),
            protocol: Protocol::Two,
        };
        for (line, class_path) in [
            ("--properties-file app.properties", &[][..]),
            ("-p app.properties -l logback.xml", &[]),
            ("app.properties", &[]),
            (
                "-Xmx256m -Dsome=thing -cp /jars/a.jar:/conf software.amazon.kinesis.multilang.MultiLangDaemon --properties-file app.properties --log-configuration l.xml",
                &["/jars/a.jar", "/conf"],
            ),
            ("-classpath /conf com.amazonaws.services.kinesis.multilang.MultiLangDaemon app.properties", &["/conf"]),
        ] {
            // The daemon of 1.x talks otherwise.
            let protocol = if line.contains("com.amazonaws") { Protocol::One } else { Protocol::Two };
            assert_eq!(parse(line).unwrap(), Launch { protocol, ..expected(class_path) }, "{line}");
        }
        for line in ["-p", "--port 3 a", "a b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_file_is_found_in_the_class_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.properties");
        std::io::Write::write_all(&mut edge::create(&path).unwrap(), b"a = b").unwrap();
        let line = format!("-cp /nowhere:{} app.properties", directory.path().display());
        assert_eq!(parse(&line).unwrap().read().unwrap(), "a = b");
        assert!(parse("-cp /nowhere missing.properties").unwrap().read().is_err());
    }
}
