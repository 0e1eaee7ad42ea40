//! The client: asks for one URL and prints the body, and goes where it is sent.

use std::io::{self, BufReader};
use std::net::TcpStream;

use anyhow::{Context, Result};

use crate::answer::Answer;
use crate::url::Url;

/// How often the client lets itself be sent elsewhere.
const MOST_REDIRECTS: usize = 5;

/// Gets `url` and prints the body of the answer.
///
/// As it stands, it prints the body of a redirect and stops there: `MOST_REDIRECTS` is stretch.
///
/// # Errors
/// Fails if no server can be reached, if the answer is not HTTP or is cut short, or if its status
/// is 400 or more.
pub fn run(url: Url) -> Result<()> {
    let stream = connect(&url)?;
    send_request(&stream, &url).context("send the request")?;
    let mut input = BufReader::new(&stream);
    let answer = Answer::read(&mut input)?;
    answer.copy_body(&mut input, &mut io::stdout().lock())?;
    todo!("is {:?} a failure? Then name it", answer.status_line)
}

/// Connects to the first address of the URL's host that answers.
fn connect(url: &Url) -> Result<TcpStream> {
    todo!("resolve {url:?}; a new socket for each address, until one connects")
}

/// Sends the request.
fn send_request(stream: &TcpStream, url: &Url) -> io::Result<()> {
    todo!("GET, Host, Connection: close for {url:?} on {stream:?}")
}
