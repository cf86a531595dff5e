//! How a run is set up.

/// How the scheduler decides where more than one continuation is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Drawn from the seed.
    Random,
    /// Always the thread that has been ready longest; events of one time in the order of their creation.
    InOrder,
}

/// The KMDF version a driver is bound to; decides the few version-dependent behaviours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientVersion {
    /// Major version, 1.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
}

impl ClientVersion {
    /// KMDF 1.`minor`.
    #[must_use]
    pub const fn kmdf1(minor: u32) -> Self {
        Self { major: 1, minor }
    }
}

/// The set-up of a [`Host`](crate::Host).
#[derive(Clone, Debug)]
pub struct HostConfig {
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    pub(crate) verifier: bool,
    pub(crate) preempt: bool,
    pub(crate) trace: bool,
    pub(crate) client: ClientVersion,
    pub(crate) stack_bytes: usize,
}

impl HostConfig {
    /// Seed 0, random policy, framework verifier off, no pre-emption, no trace, KMDF 1.33.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seed: 0,
            policy: Policy::Random,
            verifier: false,
            preempt: false,
            trace: false,
            client: ClientVersion::kmdf1(33),
            stack_bytes: 1 << 20,
        }
    }

    /// The seed of every choice; the same seed gives the same run.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How choices are made.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether the framework's own verifier (registry value `VerifierOn`) is on for the drivers.
    #[must_use]
    pub const fn verifier(mut self, on: bool) -> Self {
        self.verifier = on;
        self
    }

    /// Whether another thread may run at the entry of a DDI below `DISPATCH_LEVEL`.
    #[must_use]
    pub const fn preempt(mut self, on: bool) -> Self {
        self.preempt = on;
        self
    }

    /// Whether the run is recorded.
    #[must_use]
    pub const fn trace(mut self, on: bool) -> Self {
        self.trace = on;
        self
    }

    /// The KMDF version the drivers are bound to.
    #[must_use]
    pub const fn client(mut self, version: ClientVersion) -> Self {
        self.client = version;
        self
    }

    /// Size of the stack of a logical thread, 1 MiB unless set.
    #[must_use]
    pub const fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self::new()
    }
}
