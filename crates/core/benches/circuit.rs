//! What the circuit costs a call: reading the published gate (every call), and the locked path (when it is not free).

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use failsoft_core::Time;
use failsoft_core::circuit::{Circuit, CircuitSettings, Evidence, Gate};

fn gate(c: &mut Criterion) {
    let bits = Circuit::new(CircuitSettings::default()).gate().to_bits();
    c.bench_function("gate admits freely", |b| b.iter(|| Gate::from_bits(black_box(bits)).admits_freely()));
}

fn closed(c: &mut Criterion) {
    let mut circuit = Circuit::new(CircuitSettings::default());
    let mut now = Time::ZERO;
    c.bench_function("permit and success, closed", |b| {
        b.iter(|| {
            now = now + Duration::from_micros(1);
            if let Ok(permit) = circuit.request_permit(now, black_box(7)) {
                circuit.handle_evidence(permit, Evidence::Success, now);
            }
        });
    });
}

fn open(c: &mut Criterion) {
    let mut circuit = Circuit::new(CircuitSettings::default());
    while let Ok(permit) = circuit.request_permit(Time::ZERO, 0) {
        circuit.handle_evidence(permit, Evidence::Failure, Time::ZERO);
    }
    c.bench_function("denial, open", |b| b.iter(|| circuit.request_permit(black_box(Time::from_millis(1)), 7)));
}

criterion_group!(benches, gate, closed, open);
criterion_main!(benches);
