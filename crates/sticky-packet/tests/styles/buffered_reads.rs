//! A correct sticky-packet with std alone: blocking reads of exactly what comes next, and a thread
//! for each sender that is waited for.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use std::{env, process, thread};

const MOST: u64 = 1 << 20;

/// What came instead of a message.
enum End {
    Closed,
    Truncated,
    Rejected(String),
}

type Next = Result<String, End>;

fn broken(_: io::Error) -> End {
    End::Truncated
}

fn text(message: Vec<u8>) -> Next {
    if message.len() as u64 > MOST {
        return Err(End::Rejected(format!("{} bytes", message.len())));
    }
    String::from_utf8(message).map_err(|error| End::Rejected(error.to_string()))
}

fn delimited(reader: &mut impl BufRead) -> Next {
    let mut frame = Vec::new();
    reader.take(2 * MOST + 1).read_until(b'\n', &mut frame).map_err(broken)?;
    if frame.is_empty() {
        return Err(End::Closed);
    }
    if frame.pop() != Some(b'\n') {
        let too_long = frame.len() as u64 == 2 * MOST;
        return Err(if too_long { End::Rejected("endless".into()) } else { End::Truncated });
    }
    let mut bytes = frame.into_iter();
    let mut message = Vec::new();
    while let Some(byte) = bytes.next() {
        message.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'\\') => b'\\',
                other => return Err(End::Rejected(format!("escape {other:?}"))),
            },
            plain => plain,
        });
    }
    text(message)
}

fn counted(reader: &mut impl BufRead) -> Next {
    if reader.fill_buf().map_err(broken)?.is_empty() {
        return Err(End::Closed);
    }
    let mut header = [0; 4];
    reader.read_exact(&mut header).map_err(broken)?;
    let length = u32::from_be_bytes(header);
    if u64::from(length) > MOST {
        return Err(End::Rejected(format!("{length} bytes announced")));
    }
    let mut message = vec![0; length as usize];
    reader.read_exact(&mut message).map_err(broken)?;
    text(message)
}

fn unframed(reader: &mut impl BufRead) -> Next {
    let piece = reader.fill_buf().map_err(|_| End::Closed)?;
    let (length, text) = (piece.len(), String::from_utf8_lossy(piece).into_owned());
    reader.consume(length);
    if length == 0 { Err(End::Closed) } else { Ok(text) }
}

fn converse(stream: TcpStream, framing: &str) {
    let mut reader = BufReader::with_capacity(4096, stream);
    loop {
        let next = match framing {
            "delimiter" => delimited(&mut reader),
            "length" => counted(&mut reader),
            _ => unframed(&mut reader),
        };
        match next {
            // std's stdout hands over each line by itself.
            Ok(message) => println!("message {message:?}"),
            Err(end) => {
                return match end {
                    End::Closed => println!("closed"),
                    End::Truncated => println!("truncated"),
                    End::Rejected(why) => println!("rejected: {why}"),
                };
            }
        }
    }
}

fn receive(address: &str, framing: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming().flatten() {
        let framing = framing.to_owned();
        // A sender that makes the thread panic takes nobody else with it.
        let _ = thread::spawn(move || converse(stream, &framing)).join();
    }
    Ok(())
}

fn send(address: &str, framing: &str, messages: &[String]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    for (number, message) in messages.iter().enumerate() {
        match framing {
            "delimiter" => {
                let escaped = message.replace('\\', "\\\\").replace('\n', "\\n");
                stream.write_all(escaped.as_bytes())?;
                stream.write_all(b"\n")?;
            }
            "length" => {
                let length = u32::try_from(message.len()).map_err(|_| ErrorKind::InvalidInput)?;
                stream.write_all(&length.to_be_bytes())?;
                stream.write_all(message.as_bytes())?;
            }
            _ => {
                if framing == "delay" && number > 0 {
                    thread::sleep(Duration::from_millis(100));
                }
                stream.write_all(message.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let known = |framing: &str| ["none", "delay", "delimiter", "length"].contains(&framing);
    let outcome = match arguments.as_slice() {
        [role, address, framing, messages @ ..]
            if role == "send" && known(framing) && !messages.is_empty() =>
        {
            send(address, framing, messages)
        }
        [role, address, framing] if role == "receive" && known(framing) => {
            receive(address, framing)
        }
        _ => {
            eprintln!("wrong usage: {arguments:?}");
            process::exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{} {}: {error}", arguments[0], arguments[1]);
        process::exit(1);
    }
}
