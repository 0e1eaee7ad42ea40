//! Programs of which only Rust's own ways of ending are of interest: `programs WAY server ADDR`.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> Result<()> {
    let way = std::env::args().nth(1).unwrap_or_default();
    let server = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", server.local_addr()?);
    for stream in server.incoming() {
        let stream = stream?;
        match way.as_str() {
            "panics" => talk(stream, |_, _| panic!("no conversation today")),
            "panics-in-a-thread" => {
                std::thread::spawn(|| talk(stream, |_, _| panic!("no conversation today")));
            }
            "todo-in-a-thread" => {
                std::thread::spawn(|| talk(stream, |_, _| todo!("send the bytes back")));
            }
            _ => overlook_the_count(stream),
        }
    }
    Ok(())
}

/// The whole buffer goes back each time, also when nothing comes any more, until an error is
/// unwrapped.
fn overlook_the_count(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    loop {
        let _ = stream.read(&mut buffer).unwrap();
        stream.write_all(&buffer).unwrap();
    }
}

fn talk(mut stream: TcpStream, answer: fn(&mut TcpStream, &[u8])) {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).unwrap() > 0 {
        answer(&mut stream, &buffer);
    }
}
