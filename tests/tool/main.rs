//! The program as a person runs it: arguments in, exit codes, lines and files out.

mod algorithms;
mod broken;
mod cleaning;
mod cleaning_matrix;
mod command_line;
mod common;
mod distributed;
mod estimators;
mod few_shot;
mod folders;
mod graphics;
mod help;
mod progress;
mod signals;
mod states;
