// A correct tcp-echo with nothing but std: a thread a client, `io::copy`, scoped threads in the
// client.
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::exit;
use std::thread;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", address] => server(address),
        ["client", address] => client(address, None),
        ["client", address, message] => client(address, Some(message.to_owned())),
        _ => {
            eprintln!("not understood: {arguments:?}");
            eprintln!("usage: tcp-echo server ADDR | client ADDR [MESSAGE]");
            exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        exit(1);
    }
}

fn server(address: &str) -> Result<(), String> {
    let listener = TcpListener::bind(address).map_err(|error| format!("bind {address}: {error}"))?;
    println!("listening on {}", listener.local_addr().map_err(|error| error.to_string())?);
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let _ = thread::Builder::new().spawn(move || {
                    if let Ok(mut reader) = stream.try_clone() {
                        let _ = io::copy(&mut reader, &mut stream);
                    }
                });
            }
            Err(_) => thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
}

fn client(address: &str, message: Option<String>) -> Result<(), String> {
    let stream =
        TcpStream::connect(address).map_err(|error| format!("connect to {address}: {error}"))?;
    let mut sender = stream.try_clone().map_err(|error| error.to_string())?;
    let sending = thread::spawn(move || {
        let sent = match message {
            Some(message) => io::copy(&mut message.as_bytes(), &mut sender),
            // On Linux this is splice(2), which locks the pipe as long as the socket is full.
            None => io::copy(&mut io::stdin().lock(), &mut sender),
        };
        let _ = sender.shutdown(Shutdown::Write);
        sent
    });
    let mut receiver = stream;
    let mut stdout = io::stdout();
    let received = io::copy(&mut receiver, &mut stdout)
        .and_then(|count| stdout.flush().map(|()| count))
        .map_err(|error| format!("receive from {address}: {error}"))?;
    match sending.join() {
        Ok(Ok(sent)) if sent == received => Ok(()),
        _ => Err(format!("{address} closed after {received} bytes")),
    }
}
