//! What a run's user keeps beside the run.

use std::any::Any;
use std::sync::OnceLock;

/// One thing of a type that only the user knows.
#[derive(Debug, Default)]
pub(crate) struct Companion(OnceLock<Box<dyn Any + Send + Sync>>);

impl Companion {
    pub(crate) fn get<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> &T {
        let kept = self.0.get_or_init(|| Box::new(make()));
        kept.downcast_ref().expect("a run has one companion")
    }
}

#[cfg(test)]
mod tests {
    use super::Companion;

    #[test]
    fn it_is_made_once() {
        let companion = Companion::default();
        assert_eq!(*companion.get(|| 1_u32), 1);
        assert_eq!(*companion.get(|| 2_u32), 1);
    }
}
