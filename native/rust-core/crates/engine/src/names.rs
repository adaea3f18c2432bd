//! Names of what an attempt writes. They carry job, generation and attempt, so that no attempt can touch what another wrote.

use crate::records::Spec;

/// Who writes: decides every name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub job_id: String,
    pub stage: String,
    pub chunk: u32,
    pub generation: u32,
    pub attempt_id: String,
}

impl Author {
    /// `<stage>-<chunk>[.<gen>]`; generation 1 keeps the plain name.
    fn place(&self) -> String {
        format!("{}-{}", self.stage, numbered(self.chunk, self.generation))
    }

    /// `[<folder>/]part-<stage>-<chunk>[.<gen>]-<n>-<jobId>-<attemptId>.<ext>`, with the name of an input in place of `part` if there is one.
    pub fn part_uri(&self, spec: &Spec, folder: Option<&str>, name: Option<&str>, number: u32) -> String {
        let folder = folder.map_or_else(String::new, |folder| format!("{folder}/"));
        let (extension, name) = (spec.output.options.extension(), name.unwrap_or("part"));
        let below = format!("{folder}{name}-{}-{number}-{}-{}.{extension}", self.place(), self.job_id, self.attempt_id);
        let output = spec.output_uri();
        if output.starts_with("file://") { format!("{output}{}", spelled(&below)) } else { format!("{output}{below}") }
    }

    /// Key in the journal of the rows that this attempt hands on to a reduce stage.
    pub fn exchange_key(&self) -> String {
        let chunk = numbered(self.chunk, self.generation);
        format!("jobs/{}/work/exchange/{}/{chunk}-{}.arrows", self.job_id, self.stage, self.attempt_id)
    }

    pub fn rejects_uri(&self, spec: &Spec) -> String {
        format!("{}rejects-{}-{}-{}.pq", spec.rejects_uri(), self.place(), self.job_id, self.attempt_id)
    }
}

/// A path as a local URI spells it; keys of other stores stand in their URIs as they are.
fn spelled(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'%' | b'?' | b'#' | 0..=0x20 | 0x7f.. => uri.push_str(&format!("%{byte:02X}")),
            _ => uri.push(char::from(byte)),
        }
    }
    uri
}

/// `<chunk>[.<gen>]`; generation 1 keeps the plain number.
fn numbered(chunk: u32, generation: u32) -> String {
    match generation {
        1 => format!("{chunk:06}"),
        generation => format!("{chunk:06}.{generation:06}"),
    }
}

fn generation_folder(generation: u32) -> String {
    if generation == 1 { String::new() } else { format!("{generation:06}/") }
}

pub fn verdict_key(job_key: &str, stage: &str, chunk: u32, generation: u32) -> String {
    format!("{}verdicts/{stage}/{}.json", job_folder(job_key), numbered(chunk, generation))
}

/// A segment of the plan of a stage that reads other stages.
pub fn stage_segment_key(job_key: &str, stage: &str, generation: u32, segment: u32) -> String {
    format!("{}plan/{}{stage}/{segment:06}.json", job_folder(job_key), generation_folder(generation))
}

/// The list of slices of a partition.
pub fn slices_key(job_key: &str, stage: &str, generation: u32, partition: u32) -> String {
    format!("{}work/slices/{}{stage}/{partition:06}.ndjson", job_folder(job_key), generation_folder(generation))
}

/// A list of replaced records, beside the lists of slices of the partitions that read it.
pub fn replaced_key(job_key: &str, stage: &str, generation: u32, number: usize) -> String {
    format!("{}work/slices/{}{stage}/replaced-{number:06}.ndjson", job_folder(job_key), generation_folder(generation))
}

/// The folder of a job in the journal, from the key of its `job.json`; it ends in `/`.
pub fn job_folder(job_key: &str) -> &str {
    job_key.rfind('/').map_or("", |slash| &job_key[..=slash])
}

pub fn pins_key(job_key: &str) -> String {
    format!("{}pins.json", job_folder(job_key))
}

pub fn segment_key(job_key: &str, generation: u32, segment: u32) -> String {
    match generation {
        1 => format!("{}plan/{segment:06}.json", job_folder(job_key)),
        generation => format!("{}plan/{generation:06}/{segment:06}.json", job_folder(job_key)),
    }
}

/// A piece of the decoded stream of a file.
pub fn staged_key(job_key: &str, file: u32, piece: u64) -> String {
    format!("{}work/staged/{file:06}/{piece:06}.zst", job_folder(job_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_generations_show_in_names() {
        let spec: Spec = serde_json::from_str(r#"{"output":{"uri":"file:///o/","format":"csv"}}"#).unwrap();
        let mut author = Author { job_id: "j1".into(), stage: "clean".into(), chunk: 227, generation: 1, attempt_id: "a1".into() };
        assert_eq!(author.part_uri(&spec, None, None, 0), "file:///o/part-clean-000227-0-j1-a1.csv");
        assert_eq!(author.part_uri(&spec, Some("k=a%20b"), None, 0), "file:///o/k=a%2520b/part-clean-000227-0-j1-a1.csv");
        assert_eq!(author.part_uri(&spec, None, Some("ü x"), 0), "file:///o/%C3%BC%20x-clean-000227-0-j1-a1.csv");
        let remote: Spec = serde_json::from_str(r#"{"output":{"uri":"s3://b/o/","format":"csv"}}"#).unwrap();
        assert_eq!(author.part_uri(&remote, Some("k=a%20b"), None, 0), "s3://b/o/k=a%20b/part-clean-000227-0-j1-a1.csv");
        assert_eq!(author.part_uri(&spec, None, Some("a/b"), 0), "file:///o/a/b-clean-000227-0-j1-a1.csv");
        assert_eq!(author.rejects_uri(&spec), "file:///o/_rejects/rejects-clean-000227-j1-a1.pq");
        author.generation = 2;
        assert_eq!(author.part_uri(&spec, None, None, 1), "file:///o/part-clean-000227.000002-1-j1-a1.csv");
        assert_eq!(segment_key("jobs/j1/job.json", 1, 3), "jobs/j1/plan/000003.json");
        assert_eq!(segment_key("jobs/j1/job.json", 2, 3), "jobs/j1/plan/000002/000003.json");
        assert_eq!(author.exchange_key(), "jobs/j1/work/exchange/clean/000227.000002-a1.arrows");
        assert_eq!(verdict_key("jobs/j1/job.json", "clean", 7, 2), "jobs/j1/verdicts/clean/000007.000002.json");
        assert_eq!(stage_segment_key("jobs/j1/job.json", "total", 1, 3), "jobs/j1/plan/total/000003.json");
        assert_eq!(slices_key("jobs/j1/job.json", "total", 2, 5), "jobs/j1/work/slices/000002/total/000005.ndjson");
        assert_eq!(replaced_key("jobs/j1/job.json", "owners", 2, 0), "jobs/j1/work/slices/000002/owners/replaced-000000.ndjson");
        assert_eq!(pins_key("jobs/j1/job.json"), "jobs/j1/pins.json");
    }
}
