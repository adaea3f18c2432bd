//! The columns of the table that a map stage reads.

use arrow_schema::SchemaRef;
use millrace_formats::pins::InputPins;

use crate::error::Error;
use crate::records::Spec;

/// Columns of the table `input`. Several inputs are one table, so they must have the same columns in the same order.
pub fn input_columns(stage: &str, spec: &Spec, pins: &[InputPins]) -> Result<SchemaRef, Error> {
    let numbers = spec.inputs_of(stage);
    let mut inputs = numbers.iter().filter_map(|number| pins.get(*number));
    let first = inputs.next().ok_or_else(|| Error::new("PLAN_CONFLICT", format!("the pins hold no input of stage {stage}")))?;
    let columns = first.schema.arrow_schema();
    for other in inputs {
        if let Some(difference) = first_difference(&columns, &other.schema.arrow_schema()) {
            let message = format!(
                "stage {stage} reads inputs {} and {} as one table, but their columns differ: {difference}; give both the same schema, or a stage each",
                first.name, other.name
            );
            return Err(Error::new("SPEC_SCHEMA_FIELD", message));
        }
    }
    Ok(columns)
}

fn first_difference(a: &SchemaRef, b: &SchemaRef) -> Option<String> {
    let shown = |schema: &SchemaRef, at: usize| {
        schema.fields().get(at).map_or_else(|| "nothing".to_owned(), |field| format!("{} ({})", field.name(), field.data_type()))
    };
    let same = |at: usize| match (a.fields().get(at), b.fields().get(at)) {
        (Some(a), Some(b)) => a.name() == b.name() && a.data_type() == b.data_type(),
        _ => false,
    };
    let at = (0..a.fields().len().max(b.fields().len())).find(|at| !same(*at))?;
    Some(format!("column {} is {} here and {} there", at + 1, shown(a, at), shown(b, at)))
}
