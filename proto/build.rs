//! Generates the wire types with a pure Rust protobuf compiler, so that nothing but cargo is needed to build.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "cutover/v1/types.proto",
        "cutover/v1/agent.proto",
        "cutover/v1/operator.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
