#![no_main]
lapwing_fuzz::target!(records::envelope);
