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
        match self.generation {
            1 => format!("{}-{:06}", self.stage, self.chunk),
            generation => format!("{}-{:06}.{generation:06}", self.stage, self.chunk),
        }
    }

    pub fn part_uri(&self, spec: &Spec, number: u32) -> String {
        let extension = spec.output.options.format.extension();
        format!("{}part-{}-{number}-{}-{}.{extension}", spec.output_uri(), self.place(), self.job_id, self.attempt_id)
    }

    pub fn rejects_uri(&self, spec: &Spec) -> String {
        format!("{}rejects-{}-{}-{}.pq", spec.rejects_uri(), self.place(), self.job_id, self.attempt_id)
    }
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
        assert_eq!(author.part_uri(&spec, 0), "file:///o/part-clean-000227-0-j1-a1.csv");
        assert_eq!(author.rejects_uri(&spec), "file:///o/_rejects/rejects-clean-000227-j1-a1.pq");
        author.generation = 2;
        assert_eq!(author.part_uri(&spec, 1), "file:///o/part-clean-000227.000002-1-j1-a1.csv");
        assert_eq!(segment_key("jobs/j1/job.json", 1, 3), "jobs/j1/plan/000003.json");
        assert_eq!(segment_key("jobs/j1/job.json", 2, 3), "jobs/j1/plan/000002/000003.json");
        assert_eq!(pins_key("jobs/j1/job.json"), "jobs/j1/pins.json");
    }
}
