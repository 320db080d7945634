//! `rolltape images`: the store of images of containers, which `--sandbox oci:IMAGE` fills by itself.

#[cfg(feature = "oci")]
mod work;

use super::{CliError, Context, Exit, Verb};
use clap::{Args as _, FromArgMatches as _};

pub(super) static ITEM: Verb = Verb {
    name: "images",
    about: "Lists, pulls and removes images of containers for --sandbox oci:IMAGE",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

#[derive(Debug, clap::Args)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Shows what is in the store
    List {
        /// As JSON, with digests and what programs start with
        #[arg(long)]
        json: bool,
    },
    /// Pulls or reads images and unpacks them, also those that are there
    Pull {
        #[arg(
            value_name = "IMAGE",
            required = true,
            help = "[HOST[:PORT]/]NAME[:TAG][@DIGEST], a tar of docker save, or a folder in OCI layout"
        )]
        images: Vec<String>,
    },
    /// Forgets images and removes what no other has
    Remove {
        /// As `list` shows them, or as they were pulled
        #[arg(value_name = "IMAGE", required = true)]
        images: Vec<String>,
    },
    /// Removes what no image has: layers, folders, what broken pulls left
    Gc,
}

#[cfg(feature = "oci")]
fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    work::run(&args.action, context)
}

#[cfg(not(feature = "oci"))]
fn run(args: &Args, _: &Context) -> Result<Exit, CliError> {
    let what = match &args.action {
        Action::List { json } => format!("list{}", if *json { " --json" } else { "" }),
        Action::Pull { images } => format!("pull {}", images.join(" ")),
        Action::Remove { images } => format!("remove {}", images.join(" ")),
        Action::Gc => "gc".to_owned(),
    };
    let error = crate::sandbox::no_images("");
    let told =
        CliError::harness(format!("this build of rolltape has no images, so 'images {what}' can't be done"));
    Err(error.hint.into_iter().fold(told, CliError::hint))
}
