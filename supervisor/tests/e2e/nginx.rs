//! The registry alone, behind an nginx that is already there.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use lockgate_testkit::eventually_within;

use super::support::images;
use super::support::lockgate::binary;
use super::support::machine::{HOST, Machine, Run};
use super::support::oci_layout::OciLayout;

/// Where nginx listens; a port other than 443 shows whether it comes back in URLs.
const PORT: u16 = 8443;
const ACCOUNT: &str = "admin:correct horse";

// The location is the one of Mosi's documentation, to the letter: no X-Forwarded-Proto. So the public URL is configured.
// proves: MOSI-06, MOSI-07, SECURE-16
#[test]
fn mosis_documented_nginx_works_as_it_stands() {
    let Some(machine) = images::machine_with(&["nginx", "skopeo", "curl"]) else {
        return;
    };
    let location = "\
        location /v2/ {
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_pass http://127.0.0.1:4444;
        }";
    let _served = start(&machine, &format!("host: https://{HOST}:{PORT}"), location);
    serves_all(&machine);
}

// nginx is configured by the text of docs/guide/behind-nginx.md: it streams blobs from their files, uploads are not spooled.
// proves: SECURE-13
#[test]
fn nginx_streams_blobs_from_their_files() {
    let Some(machine) = images::machine_with(&["nginx", "skopeo", "curl"]) else {
        return;
    };
    let blobs = machine.path("data/docker/registry/v2/blobs");
    let location = ["location ~ ", "location /blobs/"]
        .map(location_of_the_guide)
        .join("\n")
        .replace("127.0.0.1:5000", "127.0.0.1:4444")
        .replace(
            "/var/lib/registry/docker/registry/v2/blobs",
            &blobs.display().to_string(),
        );
    assert!(
        location.contains(":4444") && location.contains(&*blobs.to_string_lossy()),
        "{location}"
    );
    let _served = start(&machine, "accel: /blobs/\n  trustedproxies: [127.0.0.1]", &location);
    serves_all(&machine);

    let log = fs::read_to_string(machine.path("nginx/access.log")).expect("nginx's log");
    let blob = log
        .lines()
        .find(|line| line.contains("GET /v2/team/app/blobs/") && line.contains(" 200 "));
    let blob = blob.unwrap_or_else(|| panic!("no blob was pulled: {log}"));
    assert!(blob.ends_with("-> sent by nginx"), "{blob}");
    let pieces = log.lines().find(|line| line.contains(" 206 ")).expect("two ranges");
    assert!(pieces.ends_with("-> sent by nginx"), "{pieces}");
}

/// The block of the guide's page that begins with `head`.
fn location_of_the_guide(head: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/behind-nginx.md");
    let page = fs::read_to_string(page).expect("the guide");
    let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
    let mut block: Vec<_> = lines
        .skip_while(|line| !line.starts_with(head))
        .take_while(|line| *line != "}")
        .collect();
    assert!(block.len() > 3, "{head}: {block:?}");
    block.push("}");
    block.join("\n")
}

/// Registry and nginx; both end with the machine.
fn start(machine: &Machine, http: &str, location: &str) -> [Child; 2] {
    let (name, password) = ACCOUNT.split_once(':').expect("name:password");
    let config = format!(
        "version: 0.1\n\
         storage: {{filesystem: {{rootdirectory: data}}, delete: {{enabled: true}}}}\n\
         auth: {{htpasswd: {{realm: Lockgate, path: htpasswd}}}}\n\
         http:\n  addr: 127.0.0.1:4444\n  {http}\n"
    );
    fs::write(machine.path("config.yml"), config).expect("config.yml");
    let mut add = machine.command(binary());
    add.args(["user", "add", name, "--password-stdin", "--file", "htpasswd"]);
    add.ok_with_input(password.as_bytes());
    let log = fs::File::create(machine.path("registry.log")).expect("log");
    let registry = machine
        .daemon(binary())
        .args(["registry", "--config", "config.yml"])
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("the registry starts");

    certificate(machine);
    fs::create_dir(machine.path("nginx")).expect("nginx");
    fs::write(machine.path("nginx/nginx.conf"), configuration(location)).expect("nginx.conf");
    let directory = machine.path("nginx");
    let nginx = machine
        .daemon("nginx")
        .args([
            "-p",
            &directory.display().to_string(),
            "-c",
            "nginx.conf",
            "-e",
            "error.log",
        ])
        .spawn()
        .expect("nginx starts");
    eventually_within(Duration::from_secs(30), "nginx and the registry answer", || {
        curl(machine, "/v2/")
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"HTTP/1.1 200"))
    });
    [registry, nginx]
}

fn certificate(machine: &Machine) {
    fs::create_dir(machine.path("trust")).expect("trust");
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    fs::write(machine.path("trust/ca.crt"), made.cert.pem()).expect("ca.crt");
    fs::write(machine.path("nginx.key"), made.signing_key.serialize_pem()).expect("nginx.key");
}

fn configuration(location: &str) -> String {
    format!(
        "daemon off;
        user root;
        pid nginx.pid;
        events {{}}
        http {{
            log_format delivery '$request $status $body_bytes_sent -> $delivery';
            map $uri $delivery {{
                ~^/blobs/ 'sent by nginx';
                default 'sent by the registry';
            }}
            access_log access.log delivery;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{
                listen {PORT} ssl;
                server_name {HOST};
                client_max_body_size 20G;
                ssl_certificate ../trust/ca.crt;
                ssl_certificate_key ../nginx.key;
                {location}
            }}
        }}"
    )
}

/// Pushes and pulls, answers two ranges at once, and names the public URL.
fn serves_all(machine: &Machine) {
    let layer = round_trip(machine);
    two_ranges(machine, &layer);
    let begun = curl(machine, "/v2/team/app/blobs/uploads/").args(["--data", ""]).ok();
    let url = format!("https://{HOST}:{PORT}/v2/team/app/blobs/uploads/");
    assert!(begun.contains(&url), "{begun}");
}

/// An image with a layer of some megabytes, there and back; the layer's digits and content.
fn round_trip(machine: &Machine) -> (String, Vec<u8>) {
    let layout = OciLayout::create(machine.path("layout"));
    let root = images::root_layer(machine, "root", "text");
    let noise = images::noise_layer(machine, "noise", 8, 1);
    layout.tag(layout.image("amd64", &[&root, &noise], &["/bin/busybox"]), "1");
    let remote = format!("docker://{HOST}:{PORT}/team/app:1");
    let copy = |options: [&str; 4], from: &str, to: &str| {
        let mut copy = machine.command("skopeo");
        copy.args(["--insecure-policy", "copy", "--preserve-digests"])
            .args(options)
            .args([from, to])
            .ok();
    };
    copy(
        ["--dest-creds", ACCOUNT, "--dest-cert-dir", "trust"],
        &layout.source("1"),
        &remote,
    );
    let back = format!("dir:{}", machine.path("back").display());
    copy(["--src-creds", ACCOUNT, "--src-cert-dir", "trust"], &remote, &back);
    let name = layout.digest_of(&noise);
    let pulled = fs::read(machine.path("back").join(&name)).expect("the layer");
    assert!(
        pulled == fs::read(&noise).expect("the layer"),
        "the layer came back different"
    );
    (name, pulled)
}

/// Two pieces of a layer in one answer.
fn two_ranges(machine: &Machine, (name, content): &(String, Vec<u8>)) {
    let mut curl = curl(machine, &format!("/v2/team/app/blobs/sha256:{name}"));
    curl.args(["--range", "0-9,3000000-3099999", "--output", "pieces"]).ok();
    let answer = fs::read(machine.path("pieces")).expect("the answer");
    let end = find(&answer, b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 206 "), "{head}");
    assert!(head.contains("content-type: multipart/byteranges; boundary="), "{head}");
    let body = &answer[end + 4..];
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    for (first, last) in [(0, 9), (3_000_000, 3_099_999)] {
        let part = format!("Content-Range: bytes {first}-{last}/{}\r\n\r\n", content.len());
        let begin = find(body, part.as_bytes()).expect("a part") + part.len();
        assert!(body[begin..].starts_with(&content[first..=last]), "{part}");
    }
}

/// Where `wanted` begins in `bytes`.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn curl(machine: &Machine, path: &str) -> Command {
    let mut curl = machine.command("curl");
    curl.args([
        "--silent",
        "--include",
        "--http1.1",
        "--cacert",
        "trust/ca.crt",
        "--user",
        ACCOUNT,
    ]);
    curl.arg(format!("https://{HOST}:{PORT}{path}"));
    curl
}
