//! Named steps inside the walk, at which a test ends or stops the process, or lets something else happen in between.
//!
//! In: `PORTWARDEN_KILL_AT` or `PORTWARDEN_STOP_AT`, a step's name, `#2` behind it for the second time it is passed; or a
//! closure that a test gives a store. Out: the process aborts there, stops there (`SIGSTOP`), or runs the closure.
//! A release build has none of this: a step is an empty function.

/// Passes a named step.
#[inline]
pub fn step(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

impl crate::Store {
    /// Passes a named step of work on this store.
    #[inline]
    pub fn step(&self, name: &'static str) {
        #[cfg(debug_assertions)]
        if let Some(hook) = armed::hook(&self.inner.steps) {
            hook(name);
        }
        step(name);
    }

    /// Runs a closure at every step that work on this store passes.
    #[cfg(debug_assertions)]
    pub fn on_steps(&self, hook: impl Fn(&'static str) + Send + Sync + 'static) {
        *self.inner.steps.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(std::sync::Arc::new(hook));
    }
}

#[cfg(debug_assertions)]
pub(crate) use armed::Steps;

#[cfg(debug_assertions)]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, OnceLock, PoisonError};

    type Hook = Arc<dyn Fn(&'static str) + Send + Sync>;
    /// What a store does at its steps.
    pub(crate) type Steps = Mutex<Option<Hook>>;

    pub(super) fn hook(steps: &Steps) -> Option<Hook> {
        steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where something happens: the step, and how many times it is passed before.
    struct Place {
        step: String,
        left: AtomicU64,
    }

    impl Place {
        fn of(variable: &str) -> Option<Self> {
            let text = std::env::var(variable).ok()?;
            let (step, nth) = text.split_once('#').unwrap_or((&text, "1"));
            Some(Self { step: step.to_owned(), left: AtomicU64::new(nth.parse().ok()?) })
        }

        fn is_here(&self, name: &str) -> bool {
            self.step == name && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    pub(super) fn pass(name: &'static str) {
        static KILL: OnceLock<Option<Place>> = OnceLock::new();
        static STOP: OnceLock<Option<Place>> = OnceLock::new();
        if KILL.get_or_init(|| Place::of("PORTWARDEN_KILL_AT")).as_ref().is_some_and(|place| place.is_here(name)) {
            eprintln!("killed at {name}");
            std::process::abort();
        }
        if STOP.get_or_init(|| Place::of("PORTWARDEN_STOP_AT")).as_ref().is_some_and(|place| place.is_here(name)) {
            eprintln!("stopped at {name}");
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        }
    }
}
