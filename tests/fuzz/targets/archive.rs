#![no_main]
lapwing_fuzz::target!(files::archive);
