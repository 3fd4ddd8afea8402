#![no_main]
lapwing_fuzz::target!(samples::mail);
