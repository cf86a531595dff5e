//! From the command line to a scenario.

use crate::args::{Driver, Io, RunArgs};

use super::scenario::Scenario;

/// Arguments that do not go together, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("an endpoint has no offsets: leave --offset out with usb-bulk")]
    Offset,
    #[error(
        "usb-bulk itself does direct I/O: leave --io out, or use write-filter, which does as the \
         device below it"
    )]
    Io,
}

/// The scenario that the arguments describe.
pub(super) fn scenario(args: &RunArgs) -> Result<Scenario, Conflict> {
    let io = match (args.driver, args.io) {
        (Driver::WriteFilter, io) => io.unwrap_or(Io::Buffered),
        (Driver::UsbBulk, None | Some(Io::Direct)) => Io::Direct,
        (Driver::UsbBulk, Some(Io::Buffered | Io::Neither)) => return Err(Conflict::Io),
    };
    if args.driver == Driver::UsbBulk && args.offset != 0 {
        return Err(Conflict::Offset);
    }
    Ok(Scenario {
        driver: args.driver,
        io,
        offset: args.offset,
        write_size: args.write_size,
        piece: args.piece,
        timeout_ms: args.timeout,
        seed: args.seed,
        lower_delay: args.lower_delay,
        lower_fail: args.lower_fail,
        verifier: args.verifier == crate::args::Switch::On,
    })
}
