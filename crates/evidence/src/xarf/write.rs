//! A referral's sample as a report for machines.
