//! Workers and processes of a run, from single settings.

use crate::cli::layers::{Origin, SettingValues};
use crate::cli::settings::{self as s, SettingText};
use crate::cli::usage::{InvalidValue, UsageError};
use crate::config::Cluster;
use std::time::Duration;

/// Threads that share a core wait for each other at every step: they take longer than fewer would.
pub(in crate::cli) fn warn_of_few_cores(given: &mut SettingValues, cluster: &Cluster) {
    let threads = cluster.threads;
    let processes = if cluster.process.is_some() { 1 } else { cluster.processes };
    let Ok(cores) = std::thread::available_parallelism() else { return };
    let (wanted, cores) = (threads.saturating_mul(processes), cores.get());
    if wanted <= cores {
        return;
    }
    let what = given.what(if threads > 1 { &s::THREADS.about } else { &s::PROCESSES.about });
    let workers = match processes {
        1 => format!("{threads} workers"),
        _ => format!("{processes} processes of {threads} make {wanted} workers"),
    };
    let (are, machine) = (if cores == 1 { "core" } else { "cores" }, "this machine gives the program");
    given.warnings.push(format!("{what}: {workers}, and {machine} {cores} {are}: more workers take longer"));
}

/// Processes that can find each other.
pub(super) fn cluster(given: &SettingValues) -> Result<Cluster, UsageError> {
    let cluster = Cluster {
        threads: given.get(&s::THREADS)?,
        processes: given.get(&s::PROCESSES)?,
        process: given.find(&s::PROCESS)?,
        hostfile: given.find(&s::HOSTFILE)?,
        secret_file: given.find(&s::CLUSTER_SECRET_FILE)?,
        join_timeout: Duration::from_micros(given.get(&s::JOIN_TIMEOUT)?),
        restarts: given.get(&s::RESTARTS)?,
        ..Cluster::default()
    };
    let alone = *given.origin(&s::PROCESSES.about) == Origin::Default;
    let needs_processes: [(&SettingText, bool); 3] = [
        (&s::PROCESS.about, cluster.process.is_some()),
        (&s::HOSTFILE.about, cluster.hostfile.is_some()),
        (&s::CLUSTER_SECRET_FILE.about, cluster.secret_file.is_some()),
    ];
    if let Some((about, _)) = needs_processes.into_iter().find(|(_, there)| *there && alone) {
        return Err(
            InvalidValue::told("no -n", "-n N with it, the number of processes").at(given.what(about))
        );
    }
    // A secret and a private directory are made up there, so these two would mean nothing, and somebody
    // expects other machines.
    if let (None, Some((about, _))) = (cluster.process, needs_processes.into_iter().find(|(_, there)| *there))
    {
        return Err(InvalidValue::told("no -p", "-p I with it, the index of this process")
            .hint("without -p, all processes start here and need no addresses and no secret")
            .at(given.what(about)));
    }
    match cluster.process {
        Some(process) if process >= cluster.processes => {
            let expected = match cluster.processes {
                1 => "0, since -n is 1".to_owned(),
                n => format!("an index from 0 to {}, since -n is {n}", n - 1),
            };
            Err(InvalidValue::told(process.to_string(), expected).at(given.what(&s::PROCESS.about)))
        }
        _ => Ok(cluster),
    }
}
