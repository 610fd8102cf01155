//! Counts the bytes a scanner looks at, in tests only, so that "linear" is something a test can fail on.
//!
//! Outside `cfg(test)` the function is empty and vanishes.

#[cfg(test)]
thread_local! {
    static BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes that `bytes` bytes were examined.
#[inline(always)]
pub(crate) fn examined(bytes: usize) {
    #[cfg(test)]
    BYTES.with(|total| total.set(total.get() + bytes));
    #[cfg(not(test))]
    let _ = bytes;
}

/// The bytes examined by this thread since the last call.
#[cfg(test)]
pub(crate) fn take() -> usize {
    BYTES.with(|total| total.replace(0))
}
