//! Where other programs read a line of `.env` differently, and how.
