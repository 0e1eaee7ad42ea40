//! What the two sides promise over a wire that loses, doubles and reorders packets: TCP sends again
//! what is lost, and the program notices nothing but that it takes longer.

use grader::lab::Faults;
use grader::wording::lab as words;
use grader::{Check, Verdict};

use crate::client::on_stdout;
use crate::folder::Folder;
use crate::talk::SERVED;

/// What the wire does to each packet, both ways.
const LOSSY: Faults = Faults { loss: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.0, delay_ms: 0 };
/// A wire that passes nothing on.
const CUT: Faults = Faults { loss: 1.0, duplicate: 0.0, reorder: 0.0, corrupt: 0.0, delay_ms: 0 };
/// How much is moved, each way: some hundred packets, of which tens are lost.
const SIZE: usize = 256 << 10;
/// How many deadlines a transfer may take: after each loss that TCP notices by its clock alone it
/// waits longer.
const PATIENCE: u32 = 6;

/// A file goes to the server while another one comes from it, and both are whole in the end. The
/// very first packet, the SYN of `put`, is lost for certain, which the client's kernel notices a
/// second later.
pub fn lossy_wire(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
    check.be_patient(PATIENCE);
    let (own, served) = (Folder::working(check), Folder::new(check, SERVED)?);
    let (outward, homeward) = (check.random_bytes(SIZE), check.random_bytes(SIZE));
    own.write(check, "own", &outward)?;
    served.write(check, "theirs", &homeward)?;
    let listen = ["serve".to_owned(), format!("{}:0", there.address()), SERVED.to_owned()];
    let server = check.start_server_on(&there, listen)?;
    let address = there.reach(&server).to_string();

    let seen = lab.tap();
    lab.set_faults(&here, CUT);
    let put = check.start_on(&here, ["put", &address, "own"])?;
    lab.await_that(&put, words::asks_for_connection(&put.name()), || {
        Ok(seen.try_iter().any(|packet| *packet.from == *here.name()).then_some(()))
    })?;
    drop(seen);
    lab.set_faults(&here, LOSSY);
    let get = check.start_on(&here, ["get", &address, "theirs"])?;
    let done = format!("{SIZE} bytes\n");
    for client in [&get, &put] {
        on_stdout(client.finish_with(0)?.expect_stdout(done.as_bytes()))?;
    }
    own.expect_file("theirs", &homeward)?;
    served.await_file(&server, "own", &outward)?;
    server.expect_running()
}
