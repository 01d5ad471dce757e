//! Generates the orchestrator's client from the contract, with a `protoc` that a crate brings.
use std::path::Path;

fn main() {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../proto");
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path().unwrap());
    let file = proto.join("foldforge/orchestrator/v1/orchestrator.proto");
    let includes = [proto.clone(), protoc_bin_vendored::include_path().unwrap()];
    tonic_prost_build::configure()
        .build_server(false)
        .compile_with_config(config, &[file], &includes)
        .unwrap();
    println!("cargo:rerun-if-changed={}", proto.display());
}
