//! REST handlers, by what they answer.

pub mod account;
pub mod audit;
pub mod bill;
pub mod changes;
pub mod findings;
pub mod images;
pub mod imports;
pub mod lists;
pub mod logs;
pub mod network;
pub mod notifications;
pub mod people;
pub mod plans;
pub mod posture;
pub mod recommendations;
pub mod rescan;
pub mod rules;
pub mod sample;
pub mod score;
pub mod tokens;
pub mod tree;
pub mod upgrades;
pub mod usage;
pub mod views;
pub mod work;
