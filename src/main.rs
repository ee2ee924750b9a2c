//! dr7
fn main(){}
