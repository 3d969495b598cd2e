//! Configuration as people write it: defaults, mistakes and where they are, what a reload changes.


