#![no_main]
lapwing_fuzz::target!(messages::case);
