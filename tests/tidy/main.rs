//! What the house looks like: layers, file sizes, maps and words, read from the files themselves.

mod files;
mod layers;
mod words;
