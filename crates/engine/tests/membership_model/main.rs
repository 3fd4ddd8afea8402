//! Membership against its executable model (protocol §4, §7): the model's own worlds, attacks on random worlds,
//! known attacks, rules broken on purpose, and the incremental fold against the batch fold.

mod attack;
mod cases;
mod honest;
mod incremental;
mod known;
mod mutations;
mod scale;
mod sim;
mod world;
