// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.

use crate::generated::messages::*;
use crate::sample::{Draw, Sample};

impl Sample for ConnectionKind {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[ConnectionKind::File, ConnectionKind::S3, ConnectionKind::Gcs, ConnectionKind::Azure, ConnectionKind::Http])
    }
}

impl Sample for AccessMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[AccessMode::Read, AccessMode::Write, AccessMode::Both])
    }
}

impl Sample for AuthKind {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[AuthKind::None, AuthKind::Pipe, AuthKind::Ambient])
    }
}

impl Sample for SandboxWish {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[SandboxWish::Required, SandboxWish::BestEffort, SandboxWish::Off])
    }
}

impl Sample for SandboxState {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[SandboxState::Full, SandboxState::Partial, SandboxState::None])
    }
}

impl Sample for Kernel {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[Kernel::Scalar, Kernel::Sse2, Kernel::Avx2, Kernel::Neon])
    }
}

impl Sample for LogLevel {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error])
    }
}

impl Sample for PlanMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[PlanMode::Scan, PlanMode::Summarise, PlanMode::Fold, PlanMode::Stage])
    }
}

impl Sample for ProcessMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[ProcessMode::Commit, ProcessMode::Trial])
    }
}

impl Sample for TraceMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[TraceMode::None, TraceMode::Batch, TraceMode::Record])
    }
}

impl Sample for MemoryMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[MemoryMode::Normal, MemoryMode::Less])
    }
}

impl Sample for InspectKind {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[InspectKind::Bytes, InspectKind::Record, InspectKind::Cuts, InspectKind::Rows, InspectKind::Footer, InspectKind::Check, InspectKind::Preview, InspectKind::SelfTest])
    }
}

impl Sample for ScopeKind {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[ScopeKind::Journal, ScopeKind::Inputs, ScopeKind::Output])
    }
}

impl Sample for PutMode {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[PutMode::Create, PutMode::Replace, PutMode::Overwrite])
    }
}

impl Sample for CancelReason {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[CancelReason::Cancel, CancelReason::Drain, CancelReason::Fence])
    }
}

impl Sample for Phase {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[Phase::Open, Phase::Read, Phase::Decode, Phase::Transform, Phase::Encode, Phase::Write, Phase::Commit])
    }
}

impl Sample for ChunkOutcome {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[ChunkOutcome::Committed, ChunkOutcome::Superseded, ChunkOutcome::Cancelled, ChunkOutcome::TrialOk])
    }
}

impl Sample for PutOutcome {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[PutOutcome::Won, PutOutcome::Lost])
    }
}

impl Sample for DeleteOutcome {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[DeleteOutcome::Deleted, DeleteOutcome::Absent, DeleteOutcome::Refused, DeleteOutcome::Failed])
    }
}

impl Sample for FailureClass {
    fn sample(draw: &mut Draw) -> Self {
        *draw.one_of(&[FailureClass::Data, FailureClass::Input, FailureClass::Transient, FailureClass::Resource, FailureClass::Crash, FailureClass::Lost, FailureClass::Bug])
    }
}

impl Sample for DoneBody {
    fn sample(draw: &mut Draw) -> Self {
        match draw.below(11) {
            0 => DoneBody::PlanDone(Sample::sample(draw)),
            1 => DoneBody::ChunkDone(Sample::sample(draw)),
            2 => DoneBody::InspectDone(Sample::sample(draw)),
            3 => DoneBody::StorePutDone(Sample::sample(draw)),
            4 => DoneBody::StoreGetDone(Sample::sample(draw)),
            5 => DoneBody::StoreListDone(Sample::sample(draw)),
            6 => DoneBody::StoreDeleteDone(Sample::sample(draw)),
            7 => DoneBody::StoreStatDone(Sample::sample(draw)),
            8 => DoneBody::CancelDone(Sample::sample(draw)),
            9 => DoneBody::PingDone(Sample::sample(draw)),
            _ => DoneBody::ProbeDone(Sample::sample(draw)),
        }
    }
}

impl Sample for Body {
    fn sample(draw: &mut Draw) -> Self {
        match draw.below(19) {
            0 => Body::CoreHello(Sample::sample(draw)),
            1 => Body::Probe(Sample::sample(draw)),
            2 => Body::Plan(Sample::sample(draw)),
            3 => Body::Process(Sample::sample(draw)),
            4 => Body::Reduce(Sample::sample(draw)),
            5 => Body::Inspect(Sample::sample(draw)),
            6 => Body::StorePut(Sample::sample(draw)),
            7 => Body::StoreGet(Sample::sample(draw)),
            8 => Body::StoreList(Sample::sample(draw)),
            9 => Body::StoreDelete(Sample::sample(draw)),
            10 => Body::StoreStat(Sample::sample(draw)),
            11 => Body::Cancel(Sample::sample(draw)),
            12 => Body::Ping(Sample::sample(draw)),
            13 => Body::Progress(Sample::sample(draw)),
            14 => Body::PlanSegment(Sample::sample(draw)),
            15 => Body::Log(Sample::sample(draw)),
            16 => Body::Done(Sample::sample(draw)),
            17 => Body::Failed(Sample::sample(draw)),
            _ => Body::HostHello(Sample::sample(draw)),
        }
    }
}

impl Sample for Connection {
    fn sample(draw: &mut Draw) -> Self {
        Connection {
            name: draw.filled(),
            kind: Sample::sample(draw),
            endpoint: Sample::sample(draw),
            region: Sample::sample(draw),
            bucket: Sample::sample(draw),
            prefix: Sample::sample(draw),
            mode: Sample::sample(draw),
            auth: Sample::sample(draw),
            plain_http: Sample::sample(draw),
            private_addresses: Sample::sample(draw),
        }
    }
}

impl Sample for HostHello {
    fn sample(draw: &mut Draw) -> Self {
        HostHello {
            protocol: Sample::sample(draw),
            schema_hash: Sample::sample(draw),
            host_version: draw.filled(),
            nonce: Sample::sample(draw),
            parent_pid: Sample::sample(draw),
            slot: Sample::sample(draw),
            memory_bytes: Sample::sample(draw),
            scratch_bytes: Sample::sample(draw),
            scratch_dir: draw.filled(),
            read_roots: draw.list(0, 4),
            write_roots: draw.list(0, 4),
            connections: draw.list(0, 4),
            http_allow: draw.list(0, 4),
            ports: draw.list(0, 4),
            sandbox: Sample::sample(draw),
            log_level: Sample::sample(draw),
        }
    }
}

impl Sample for CoreHello {
    fn sample(draw: &mut Draw) -> Self {
        CoreHello {
            protocol: Sample::sample(draw),
            schema_hash: Sample::sample(draw),
            core_version: draw.filled(),
            result_version: Sample::sample(draw),
            nonce: Sample::sample(draw),
            pid: Sample::sample(draw),
            sandbox: Sample::sample(draw),
            sandbox_missing: draw.list(0, 4),
            kernel: Sample::sample(draw),
            features: draw.list(0, 4),
        }
    }
}

impl Sample for NamedValue {
    fn sample(draw: &mut Draw) -> Self {
        NamedValue {
            name: draw.filled(),
            value: Sample::sample(draw),
        }
    }
}

impl Sample for Credential {
    fn sample(draw: &mut Draw) -> Self {
        Credential {
            connection: draw.filled(),
            kind: draw.filled(),
            fields: draw.list(0, 4),
            expires_at_ms: Sample::sample(draw),
        }
    }
}

impl Sample for Secret {
    fn sample(draw: &mut Draw) -> Self {
        Secret {
            name: draw.filled(),
            bytes: draw.list(0, 4),
        }
    }
}

impl Sample for Call {
    fn sample(draw: &mut Draw) -> Self {
        Call {
            deadline_ms: Sample::sample(draw),
            lease_left_ms: Sample::sample(draw),
            traceparent: Sample::sample(draw),
            credentials: draw.list(0, 4),
            secrets: draw.list(0, 4),
        }
    }
}

impl Sample for InputRef {
    fn sample(draw: &mut Draw) -> Self {
        InputRef {
            uri: draw.filled(),
            connection: Sample::sample(draw),
            etag: Sample::sample(draw),
            size: Sample::sample(draw),
        }
    }
}

impl Sample for Span {
    fn sample(draw: &mut Draw) -> Self {
        Span {
            start: Sample::sample(draw),
            end: Sample::sample(draw),
        }
    }
}

impl Sample for RecordRange {
    fn sample(draw: &mut Draw) -> Self {
        RecordRange {
            start: Sample::sample(draw),
            end: Sample::sample(draw),
            record: Sample::sample(draw),
            line: Sample::sample(draw),
        }
    }
}

impl Sample for ExcludedRange {
    fn sample(draw: &mut Draw) -> Self {
        ExcludedRange {
            start: Sample::sample(draw),
            end: Sample::sample(draw),
            code: draw.filled(),
        }
    }
}

impl Sample for Scope {
    fn sample(draw: &mut Draw) -> Self {
        Scope {
            connection: draw.filled(),
            kind: Sample::sample(draw),
            job_key: Sample::sample(draw),
            spec_digest: draw.maybe(Draw::digest),
        }
    }
}

impl Sample for Probe {
    fn sample(draw: &mut Draw) -> Self {
        Probe {
            call: Sample::sample(draw),
            input: draw.list(1, 4),
            declared: draw.filled(),
        }
    }
}

impl Sample for Plan {
    fn sample(draw: &mut Draw) -> Self {
        Plan {
            call: Sample::sample(draw),
            job_key: draw.filled(),
            spec_digest: draw.digest(),
            pins_digest: draw.digest(),
            generation: draw.number(1, 1000000),
            mode: Sample::sample(draw),
            first_input: Sample::sample(draw),
            input_count: Sample::sample(draw),
            first_segment: Sample::sample(draw),
            first_chunk: Sample::sample(draw),
            stage: Sample::sample(draw),
            span: Sample::sample(draw),
        }
    }
}

impl Sample for Process {
    fn sample(draw: &mut Draw) -> Self {
        Process {
            call: Sample::sample(draw),
            job_key: draw.filled(),
            spec_digest: draw.digest(),
            segment_key: draw.filled(),
            segment_digest: draw.digest(),
            chunk_index: Sample::sample(draw),
            stage: draw.filled(),
            generation: draw.number(1, 1000000),
            attempt_id: draw.filled(),
            verdict_key: draw.filled(),
            mode: Sample::sample(draw),
            range: Sample::sample(draw),
            excluded: draw.list(0, 4),
            trace: Sample::sample(draw),
            memory: Sample::sample(draw),
        }
    }
}

impl Sample for Reduce {
    fn sample(draw: &mut Draw) -> Self {
        Reduce {
            call: Sample::sample(draw),
            job_key: draw.filled(),
            spec_digest: draw.digest(),
            segment_key: draw.filled(),
            segment_digest: draw.digest(),
            chunk_index: Sample::sample(draw),
            stage: draw.filled(),
            generation: draw.number(1, 1000000),
            attempt_id: draw.filled(),
            verdict_key: draw.filled(),
            mode: Sample::sample(draw),
            partition: Sample::sample(draw),
            trace: Sample::sample(draw),
            memory: Sample::sample(draw),
        }
    }
}

impl Sample for Inspect {
    fn sample(draw: &mut Draw) -> Self {
        Inspect {
            call: Sample::sample(draw),
            what: Sample::sample(draw),
            input: Sample::sample(draw),
            connection: Sample::sample(draw),
            job_key: Sample::sample(draw),
            start: Sample::sample(draw),
            end: Sample::sample(draw),
            record: Sample::sample(draw),
            parts: Sample::sample(draw),
            spec: Sample::sample(draw),
        }
    }
}

impl Sample for StorePut {
    fn sample(draw: &mut Draw) -> Self {
        StorePut {
            call: Sample::sample(draw),
            scope: Sample::sample(draw),
            key: draw.filled(),
            mode: Sample::sample(draw),
            if_match: Sample::sample(draw),
            sha256: draw.digest(),
        }
    }
}

impl Sample for StoreGet {
    fn sample(draw: &mut Draw) -> Self {
        StoreGet {
            call: Sample::sample(draw),
            scope: Sample::sample(draw),
            key: draw.filled(),
            range: Sample::sample(draw),
            if_match: Sample::sample(draw),
        }
    }
}

impl Sample for StoreList {
    fn sample(draw: &mut Draw) -> Self {
        StoreList {
            call: Sample::sample(draw),
            scope: Sample::sample(draw),
            prefix: Sample::sample(draw),
            start_after: Sample::sample(draw),
            limit: draw.number(1, 1000),
            delimiter: Sample::sample(draw),
        }
    }
}

impl Sample for StoreDelete {
    fn sample(draw: &mut Draw) -> Self {
        StoreDelete {
            call: Sample::sample(draw),
            scope: Sample::sample(draw),
            keys: draw.list(1, 4),
            purge: Sample::sample(draw),
        }
    }
}

impl Sample for StoreStat {
    fn sample(draw: &mut Draw) -> Self {
        StoreStat {
            call: Sample::sample(draw),
            scope: Sample::sample(draw),
            key: draw.filled(),
        }
    }
}

impl Sample for Cancel {
    fn sample(draw: &mut Draw) -> Self {
        Cancel {
            target: Sample::sample(draw),
            reason: Sample::sample(draw),
        }
    }
}

impl Sample for Ping {
    fn sample(draw: &mut Draw) -> Self {
        Ping {
            lease_left_ms: Sample::sample(draw),
        }
    }
}

impl Sample for Progress {
    fn sample(draw: &mut Draw) -> Self {
        Progress {
            phase: Sample::sample(draw),
            records_in: Sample::sample(draw),
            emitted: Sample::sample(draw),
            filtered: Sample::sample(draw),
            rejected: Sample::sample(draw),
            bytes_in: Sample::sample(draw),
            bytes_total: Sample::sample(draw),
            byte: Sample::sample(draw),
            record: Sample::sample(draw),
            line: Sample::sample(draw),
            rss_bytes: Sample::sample(draw),
            spill_bytes: Sample::sample(draw),
        }
    }
}

impl Sample for PlanSegment {
    fn sample(draw: &mut Draw) -> Self {
        PlanSegment {
            segment: Sample::sample(draw),
            key: draw.filled(),
            digest: draw.digest(),
            stage: draw.filled(),
            first_chunk: Sample::sample(draw),
            chunk_count: Sample::sample(draw),
            bytes: Sample::sample(draw),
        }
    }
}

impl Sample for Log {
    fn sample(draw: &mut Draw) -> Self {
        Log {
            level: Sample::sample(draw),
            message: Sample::sample(draw),
            fields_json: draw.filled(),
        }
    }
}

impl Sample for ProbeDone {
    fn sample(draw: &mut Draw) -> Self {
        ProbeDone {
            bytes_read: Sample::sample(draw),
        }
    }
}

impl Sample for Unplannable {
    fn sample(draw: &mut Draw) -> Self {
        Unplannable {
            file: Sample::sample(draw),
            code: draw.filled(),
            message: Sample::sample(draw),
        }
    }
}

impl Sample for PlanDone {
    fn sample(draw: &mut Draw) -> Self {
        PlanDone {
            segments: Sample::sample(draw),
            chunks: Sample::sample(draw),
            bytes: Sample::sample(draw),
            records: Sample::sample(draw),
            lines: Sample::sample(draw),
            damaged: Sample::sample(draw),
            unplannable: draw.list(0, 4),
            cancelled: Sample::sample(draw),
        }
    }
}

impl Sample for Counts {
    fn sample(draw: &mut Draw) -> Self {
        Counts {
            records_in: Sample::sample(draw),
            emitted: Sample::sample(draw),
            filtered: Sample::sample(draw),
            deduplicated: Sample::sample(draw),
            rejected: Sample::sample(draw),
            rows_out: Sample::sample(draw),
            repaired: Sample::sample(draw),
            bytes_in: Sample::sample(draw),
            blank_lines: Sample::sample(draw),
            comment_lines: Sample::sample(draw),
            suspect_records: Sample::sample(draw),
            damaged_bytes: Sample::sample(draw),
            damaged_lines: Sample::sample(draw),
        }
    }
}

impl Sample for CodeCount {
    fn sample(draw: &mut Draw) -> Self {
        CodeCount {
            code: draw.filled(),
            count: Sample::sample(draw),
        }
    }
}

impl Sample for Phases {
    fn sample(draw: &mut Draw) -> Self {
        Phases {
            read_us: Sample::sample(draw),
            decode_us: Sample::sample(draw),
            transform_us: Sample::sample(draw),
            encode_us: Sample::sample(draw),
            write_us: Sample::sample(draw),
            commit_us: Sample::sample(draw),
        }
    }
}

impl Sample for ChunkDone {
    fn sample(draw: &mut Draw) -> Self {
        ChunkDone {
            outcome: Sample::sample(draw),
            verdict_digest: draw.maybe(Draw::digest),
            counts: Sample::sample(draw),
            by_code: draw.list(0, 4),
            phases: Sample::sample(draw),
            peak_rss_bytes: Sample::sample(draw),
        }
    }
}

impl Sample for InspectDone {
    fn sample(draw: &mut Draw) -> Self {
        InspectDone {
            truncated: Sample::sample(draw),
        }
    }
}

impl Sample for StorePutDone {
    fn sample(draw: &mut Draw) -> Self {
        StorePutDone {
            outcome: Sample::sample(draw),
            etag: Sample::sample(draw),
        }
    }
}

impl Sample for StoredObject {
    fn sample(draw: &mut Draw) -> Self {
        StoredObject {
            etag: Sample::sample(draw),
            size: Sample::sample(draw),
            modified_at_ms: Sample::sample(draw),
        }
    }
}

impl Sample for StoreGetDone {
    fn sample(draw: &mut Draw) -> Self {
        StoreGetDone {
            object: Sample::sample(draw),
        }
    }
}

impl Sample for StoreEntry {
    fn sample(draw: &mut Draw) -> Self {
        StoreEntry {
            key: draw.filled(),
            size: Sample::sample(draw),
            etag: Sample::sample(draw),
            modified_at_ms: Sample::sample(draw),
        }
    }
}

impl Sample for StoreListDone {
    fn sample(draw: &mut Draw) -> Self {
        StoreListDone {
            entries: draw.list(0, 4),
            more: Sample::sample(draw),
        }
    }
}

impl Sample for DeleteResult {
    fn sample(draw: &mut Draw) -> Self {
        DeleteResult {
            key: draw.filled(),
            outcome: Sample::sample(draw),
        }
    }
}

impl Sample for StoreDeleteDone {
    fn sample(draw: &mut Draw) -> Self {
        StoreDeleteDone {
            results: draw.list(0, 4),
        }
    }
}

impl Sample for StoreStatDone {
    fn sample(draw: &mut Draw) -> Self {
        StoreStatDone {
            object: Sample::sample(draw),
        }
    }
}

impl Sample for CancelDone {
    fn sample(_draw: &mut Draw) -> Self {
        CancelDone {
        }
    }
}

impl Sample for PingDone {
    fn sample(draw: &mut Draw) -> Self {
        PingDone {
            rss_bytes: Sample::sample(draw),
            budget_bytes: Sample::sample(draw),
            records_in: Sample::sample(draw),
            bytes_in: Sample::sample(draw),
        }
    }
}

impl Sample for Done {
    fn sample(draw: &mut Draw) -> Self {
        Done {
            body: Sample::sample(draw),
        }
    }
}

impl Sample for Position {
    fn sample(draw: &mut Draw) -> Self {
        Position {
            file: Sample::sample(draw),
            record: Sample::sample(draw),
            line: Sample::sample(draw),
            byte: Sample::sample(draw),
        }
    }
}

impl Sample for Failed {
    fn sample(draw: &mut Draw) -> Self {
        Failed {
            code: draw.filled(),
            class: Sample::sample(draw),
            message: draw.filled(),
            details: draw.filled(),
            causes: draw.list(0, 4),
            position: Sample::sample(draw),
            bytes_done: Sample::sample(draw),
            records_done: Sample::sample(draw),
            peak_rss_bytes: Sample::sample(draw),
            retry_after_ms: Sample::sample(draw),
            backtrace: Sample::sample(draw),
        }
    }
}
