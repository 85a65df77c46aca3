//! Handing the values of an environment to other programs, in their own format.
