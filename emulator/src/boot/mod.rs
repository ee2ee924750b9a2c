//! Starting images on a bare machine.
