#![no_main]
lapwing_fuzz::target!(rogue::rogue);
