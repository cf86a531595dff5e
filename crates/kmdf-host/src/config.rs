//! How a run is set up.

/// How the scheduler decides where more than one continuation is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Drawn from the seed.
    Random,
    /// Always the thread that has been ready longest; events of one time in the order of their creation; no pre-emption.
    InOrder,
    /// Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, 2010): every thread gets a priority
    /// drawn from the seed, the highest runs, and at `depth` - 1 steps, drawn from the first `length`, the running one falls
    /// back behind all others. A bug that needs `depth` ordering constraints between threads is found with a probability
    /// that has a lower bound.
    Pct {
        /// How many ordering constraints a bug may need.
        depth: u32,
        /// Steps that a run takes, about.
        length: u32,
    },
}

/// A choice in which a run departs from [`Policy::InOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deviation {
    /// The number of the choice in its run; the first is 0.
    pub position: u32,
    /// The alternative that is taken instead of 0.
    pub taken: u32,
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
    pub(crate) enhanced_verifier: bool,
    pub(crate) compliance: bool,
    pub(crate) special_pool: bool,
    pub(crate) preempt: bool,
    pub(crate) trace: bool,
    pub(crate) client: ClientVersion,
    pub(crate) stack_bytes: usize,
    pub(crate) deviations: Vec<Deviation>,
    pub(crate) record_choices: bool,
    pub(crate) hold_up: bool,
    pub(crate) debug_output: Option<fn(&str)>,
}

impl HostConfig {
    /// Seed 0, random policy, framework verifier off, no pre-emption, no trace, KMDF 1.33.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seed: 0,
            policy: Policy::Random,
            verifier: false,
            enhanced_verifier: false,
            compliance: false,
            special_pool: false,
            preempt: false,
            trace: false,
            client: ClientVersion::kmdf1(33),
            stack_bytes: 1 << 20,
            deviations: Vec::new(),
            record_choices: false,
            hold_up: false,
            debug_output: None,
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

    /// Whether the framework's enhanced verifier (bit 0 of `EnhancedVerifierOptions`) watches the drivers' callbacks of PnP,
    /// power and queues: what is otherwise a violation of IRQL or critical regions on their return is then a bugcheck.
    #[must_use]
    pub const fn enhanced_verifier(mut self, on: bool) -> Self {
        self.enhanced_verifier = on;
        self
    }

    /// Whether those DDI compliance rules are verified too that judge by what could happen, not by what did: `SyncReqSend` (a
    /// synchronous send without a time-out), `RequestCompletedLocal` and `KmdfIrql2`. Each is told once for a callback.
    #[must_use]
    pub const fn compliance(mut self, on: bool) -> Self {
        self.compliance = on;
        self
    }

    /// Whether pool, object contexts and the memory of WDFMEMORY objects come from special pool: each block ends at an
    /// inaccessible page, and what was freed stays inaccessible until the host ends. A driver's access to such a page, to NULL
    /// or to an address that cannot be then ends the run with the [`Bugcheck`](crate::Bugcheck) that Windows would show,
    /// which says who allocated and freed the block, instead of ending the process.
    ///
    /// It costs some microseconds and a page for each allocation, of 16 GiB of address space that are never used twice; what
    /// finds no room there is counted in [`Totals::unguarded`](crate::Totals::unguarded). On Linux and macOS; elsewhere it
    /// does nothing, and a driver's bad access ends the process.
    #[must_use]
    pub const fn special_pool(mut self, on: bool) -> Self {
        self.special_pool = on;
        self
    }

    /// Whether other processors may get ahead of a running thread, at the entry of a DDI and wherever else the framework
    /// holds no lock; spin locks that are held keep only those out that want them. Events that are due compete with threads.
    #[must_use]
    pub const fn preempt(mut self, on: bool) -> Self {
        self.preempt = on;
        self
    }

    /// Whether, with pre-emption on, threads that could run may be held up while time passes, as on a busy machine: a
    /// time-out may then come between any two steps of a driver.
    #[must_use]
    pub const fn hold_up(mut self, on: bool) -> Self {
        self.hold_up = on;
        self
    }

    /// In which choices a run with [`Policy::InOrder`] departs from that order, by position.
    #[must_use]
    pub fn deviations(mut self, deviations: &[Deviation]) -> Self {
        deviations.clone_into(&mut self.deviations);
        self
    }

    /// Whether every choice is recorded, for [`Host::choices`](crate::Host::choices).
    #[must_use]
    pub const fn record_choices(mut self, on: bool) -> Self {
        self.record_choices = on;
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

    /// Where the text of `DbgPrint` goes, besides the trace. Nowhere unless set.
    ///
    /// ```
    /// use kmdf_host::HostConfig;
    ///
    /// let config = HostConfig::new().debug_output(|text| eprint!("{text}"));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub const fn debug_output(mut self, sink: fn(&str)) -> Self {
        self.debug_output = Some(sink);
        self
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self::new()
    }
}
