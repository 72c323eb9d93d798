use super::*;

fn mailer(folder: &Path, service: &str) -> Mailer {
    let route = MailRoute::Outbox(folder.to_owned());
    let from = "Acme <login@example.com>".to_owned();
    Mailer::new(&MailSettings { route, from, service: service.to_owned() }).unwrap()
}

fn notice() -> Letter {
    Letter { to: "ada@example.com".to_owned(), says: Says::Changed }
}

fn smtp_mailer(port: u16) -> Mailer {
    let settings = MailSettings {
        route: MailRoute::Smtp(format!("smtp://127.0.0.1:{port}").into()),
        from: "login@example.com".to_owned(),
        service: "Acme".to_owned(),
    };
    Mailer::new(&settings).unwrap()
}

fn outbox(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mails = files.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    mails.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn a_letter_lands_in_the_outbox_with_its_link_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mailer = mailer(&path, "Acme");
    let link = format!("https://login.example.com/u/reset?token={}", "x".repeat(43));
    let letter = Letter { to: "ada@example.com".to_owned(), says: Says::Reset { link: link.clone(), minutes: 60 } };
    mailer.post("a".to_owned(), letter, async {});
    mailer.drain().await;
    let mails = outbox(&path);
    let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert!(mail.contains(&format!("\r\n{link}\r\n")), "{mail}");
    for header in [
        "From: Acme <login@example.com>",
        "To: ada@example.com",
        "Subject: Choose a new password for Acme",
        "Auto-Submitted: auto-generated",
        "Message-ID: <",
    ] {
        assert!(mail.contains(header), "no {header} in {mail}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_reads_the_outbox() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    mailer(&path, "Acme");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn a_service_with_a_name_of_another_script_can_send_mail() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(folder.path(), "Bücher — 書店");
    mailer.post("a".to_owned(), notice(), async {});
    mailer.drain().await;
    assert_eq!(outbox(folder.path()).len(), 1);
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_hint() {
    let with = |route: MailRoute, from: &str| {
        let settings = MailSettings { route, from: from.to_owned(), service: "Acme".to_owned() };
        Mailer::new(&settings).map(drop).map_err(|error| error.to_string())
    };
    let folder = || MailRoute::Outbox(std::env::temp_dir());
    assert_eq!(with(folder(), "nobody").unwrap_err(), "`nobody` is no e-mail address");
    let smtp = |url: &str| MailRoute::Smtp(url.to_owned().into());
    assert!(with(smtp("smtp.example.com"), "a@example.com").unwrap_err().contains("smtps://user:password@host:465"));
    assert!(with(folder(), "a@example.com").is_ok());
}

/// A server that takes mail, as far as this client speaks to it.
async fn smtp_server() -> (u16, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (read, mut write) = socket.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test\r\n").await.unwrap();
        let (mut mail, mut in_data) = (String::new(), false);
        while let Some(line) = lines.next_line().await.unwrap() {
            if in_data && line != "." {
                mail.push_str(&line);
                mail.push('\n');
                continue;
            }
            let answer = match (in_data, line.split(' ').next().unwrap()) {
                (true, _) => {
                    write.write_all(b"250 ok\r\n").await.unwrap();
                    return mail;
                }
                (false, "DATA") => {
                    in_data = true;
                    "354 go on\r\n"
                }
                (false, "EHLO") => "250 test\r\n",
                (false, _) => "250 ok\r\n",
            };
            write.write_all(answer.as_bytes()).await.unwrap();
        }
        mail
    });
    (port, server)
}

#[tokio::test]
async fn a_letter_goes_to_a_server() {
    let (port, server) = smtp_server().await;
    let mailer = smtp_mailer(port);
    mailer.post("a".to_owned(), notice(), async {});
    mailer.drain().await;
    assert!(server.await.unwrap().contains("Subject: Your password for Acme was changed"));
}

/// Posts a letter to a server that says this to a command, and `250` to all others; whether it was over then.
async fn is_over_where(command: &'static str, says: &'static str) -> bool {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mailer = smtp_mailer(listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (read, mut write) = socket.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = if line.starts_with(command) { says } else { "250 ok" };
            write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
    });
    let (over, told) = tokio::sync::oneshot::channel();
    mailer.post("a".to_owned(), notice(), async move { over.send(()).unwrap() });
    mailer.drain().await;
    server.abort();
    told.await.is_ok()
}

#[tokio::test]
async fn a_refusal_of_the_recipient_is_final_and_one_of_us_is_not() {
    assert!(is_over_where("RCPT", "550 5.1.1 no such user").await);
    assert!(is_over_where("RCPT", "552 5.2.2 mailbox full for good").await);
    assert!(!is_over_where("EHLO", "530 5.7.0 authenticate first").await);
    assert!(!is_over_where("MAIL", "550 5.7.60 not from this sender").await);
    assert!(!is_over_where("MAIL", "553 5.1.8 no such sender").await);
    assert!(!is_over_where("MAIL", "554 no").await);
    assert!(!is_over_where("RCPT", "554 5.7.1 relay access denied").await);
}

#[test]
fn the_status_of_a_refusal_is_read_off_its_text() {
    let read = EnhancedStatus::read;
    assert_eq!(read("5.1.1 <ada@example.com>: no such user"), Some(EnhancedStatus(1, 1)));
    for other in ["", "no such user", "4.1.1 later", "5.1", "5.1.x", "5.1.1.1 what", "5..1", "5.99999.1"] {
        assert_eq!(read(other), None, "{other}");
    }
}

/// lettre bounds connecting, and nothing after it.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_holds_a_letter_no_longer_than_it_is_ours() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mailer = smtp_mailer(silent.local_addr().unwrap().port());
    let (over, told) = tokio::sync::oneshot::channel();
    mailer.post("a".to_owned(), notice(), async move { over.send(()).unwrap() });
    timeout(crate::letters::TRYING, mailer.drain()).await.expect("all tries end before others may take it");
    assert!(told.await.is_err(), "it was not sent");
}

#[tokio::test]
async fn what_is_on_its_way_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(folder.path(), "Acme");
    mailer.post("a".to_owned(), notice(), async {});
    mailer.post("a".to_owned(), notice(), async {});
    mailer.drain().await;
    assert_eq!(outbox(folder.path()).len(), 1);
    mailer.post("a".to_owned(), notice(), async {});
    mailer.drain().await;
    assert_eq!(outbox(folder.path()).len(), 2, "later it may be");
}
