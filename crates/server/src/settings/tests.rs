use super::*;

fn read(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    std::fs::write(&file, text).unwrap();
    Settings::read(Some(&file), &Overrides::default()).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_a_server_on_this_machine() {
    let settings = read("").unwrap();
    assert!(settings.listen.public.ip().is_loopback() && settings.listen.admin.ip().is_loopback());
    assert_eq!(settings.public_url(settings.listen.public).unwrap().as_str(), "http://localhost:3000/");
    assert!(settings.database.is_none() && settings.trusted_proxies.is_empty());
}

#[test]
fn a_key_nobody_knows_is_named() {
    for (text, key) in [
        ("public_ulr = 'https://a.example'", "public_ulr"),
        ("[listen]\npubic = '127.0.0.1:1'", "pubic"),
        ("[limits]\nheaders = '5s'", "headers"),
        ("[default]\nlisten = {}", "default"),
        ("[global]\nlisten = {}", "global"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let error = read("[listen]\npublic = ").unwrap_err();
    assert!(error.contains(".toml") && error.contains("line 2, column"), "{error}");
}

#[test]
fn values_that_cannot_be_are_named_with_the_next_step() {
    for (text, told) in [
        ("public_url = 'http://login.example.com'", "`https`"),
        ("public_url = 'https://login.example.com/auth'", "no path"),
        ("[limits]\nheader = '5 parsecs'", "write it as in `5s`"),
        ("[limits]\nheader = '0s'", "write it as in `5s`"),
        ("[limits]\nrequests = 0", "1 or more"),
        ("[listen]\npublic = '127.0.0.1:80'\nadmin = '127.0.0.1:80'", "addresses of their own"),
        ("[log]\nlevel = 'loud'", "loud"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn a_key_is_named_as_it_stands_in_the_file() {
    for (text, key) in [
        ("[rates]\nlogin = { account = { burst = 1, per_hour = 1 } }", "`rates.login` in "),
        ("[egress]\nallow = '10.0.0.1:443'", "`egress.allow` in "),
        ("[listen]\npubic = '127.0.0.1:1'", "`listen.pubic` in "),
        ("public_ulr = 'https://a.example'", "`public_ulr` in "),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(key) && error.contains("vestibule.toml"), "{error}");
    }
    let list = read("[egress]\nallow = '10.0.0.1:443'").unwrap_err();
    assert!(list.contains("a list is written as in `[\"first\""), "{list}");
}

/// The lines of the example that are settings, without their `#`: the examples as well, or only the defaults.
fn example(with_examples: bool) -> String {
    let setting = |line: &'static str| match line.strip_prefix('#') {
        None => Some(line),
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => {
            (with_examples == setting.ends_with("# example")).then_some(setting)
        }
        Some(_) => None,
    };
    EXAMPLE.lines().filter_map(setting).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_every_setting_at_its_default() {
    let shown = |settings: &Settings| format!("{settings:#?}");
    let default = read("").unwrap();
    assert_eq!(shown(&read(EXAMPLE).unwrap()), shown(&default), "as it is, it changes nothing");
    assert_eq!(shown(&read(&example(false)).unwrap()), shown(&default), "what it calls a default is one");
    read(&example(true)).unwrap();
    let known = |key: &str| {
        [format!("#{key} = "), format!("[{key}]"), format!(" {key} = ")].iter().any(|form| EXAMPLE.contains(form))
    };
    let keys: Vec<String> = shown(&default)
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(key, _)| key.to_owned()))
        .collect();
    assert!(keys.len() > 50, "{keys:?}");
    for key in keys {
        assert!(known(&key), "`{key}` is not in settings.example.toml");
    }
}

#[test]
fn the_command_line_is_heard_last() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    std::fs::write(&file, "data = 'in-the-file'\ndatabase = 'postgres://in-the-file'").unwrap();
    let overrides = Overrides { data: Some("typed".into()), database: None };
    let settings = Settings::read(Some(&file), &overrides).unwrap();
    assert_eq!(settings.data, Path::new("typed"));
    assert!(settings.database.is_some());
}

#[test]
fn a_database_url_is_not_shown() {
    let settings = read("database = 'postgres://u:hunter2@db/v'\n[mail]\nsmtp = 'smtps://u:hunter2@mail'").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Some(Path::new("nowhere.toml")), &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("nowhere.toml"), "{error}");
}
