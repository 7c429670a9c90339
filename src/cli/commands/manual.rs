//! What shells and `man` know of the program, made from the same definitions as `--help`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man as Page;

use crate::cli::failure::{Exit, Failure};
use crate::cli::line::command_line;

/// The name of the program, and of the files that belong to it.
const NAME: &str = "warren";

/// Prints a script that lets a shell complete commands and options.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren completions bash > /etc/bash_completion.d/warren
  warren completions zsh > ~/.zfunc/_warren
  warren completions fish > ~/.config/fish/completions/warren.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the manual page of a command, or writes all of them to a directory.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren man | man -l -
  warren man list | man -l -
  warren man --dir /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The command; without one, the page of the program.
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands there, one file each.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command_line(), NAME, &mut script);
        print(&script)
    }
}

impl Man {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut root = command_line().disable_help_subcommand(true);
        root.build();
        if let Some(dir) = &self.dir {
            return write_all(&root, NAME, dir);
        }
        let mut found = &root;
        for part in &self.command {
            found = found.find_subcommand(part).ok_or_else(|| {
                Failure::usage(format!("man {}: there is no such command", self.command.join(" ")))
            })?;
        }
        print(&page(found)?)
    }
}

/// The page of a command and those of all below it.
fn write_all(command: &clap::Command, name: &str, dir: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Exit::Output, format!("--dir: {}: {error}", path.display()))
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?).map_err(|error| failed(&path, &error))?;
    for below in command.get_subcommands() {
        write_all(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Page::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}
