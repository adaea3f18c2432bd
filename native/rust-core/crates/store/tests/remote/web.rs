//! Inputs behind URLs: strong versions or nothing, no redirects, no way into our own network.

use millrace_store::{Access, Connection, Grants, Kind, Store};

use crate::stub::{Fault, Stub, Verb, call, store_of};

fn open(stub: &Stub, connection: Connection) -> (Store, millrace_store::Result<millrace_store::Input>) {
    let store = store_of(connection);
    let input = store.place(&format!("http://{}/in.csv?day=1", stub.address), None, Access::Read).and_then(|place| {
        let _visit = store.enter(call(), &[]);
        store.open_input(&place, None)
    });
    (store, input)
}

fn stub() -> Stub {
    let stub = Stub::start(Kind::Http);
    stub.put("in.csv", b"a,b\n1,2\n");
    stub
}

#[test]
fn a_file_behind_a_url_is_read_in_ranges_of_one_version() {
    let stub = stub();
    let (_store, input) = open(&stub, stub.connection());
    let mut input = input.unwrap();
    assert_eq!((input.stat().size, input.stat().etag.as_str()), (8, "v1"));
    let mut bytes = [0; 4];
    stub.plan(Verb::Range, &[Fault::Status(500, ""), Fault::ShortBody]);
    assert_eq!((input.read_at(4, &mut bytes).unwrap(), &bytes), (4, b"1,2\n"));
    stub.put("in.csv", b"x,y\n3,4\n");
    assert_eq!(input.read_at(0, &mut bytes).unwrap_err().code, "INPUT_CHANGED");
}

#[test]
fn answers_that_are_no_range_of_this_version_are_refused() {
    for (fault, code) in
        [(Fault::OtherEtag, "INPUT_CHANGED"), (Fault::Whole, "STORAGE_CONNECTION"), (Fault::Status(302, ""), "STORAGE_UNAVAILABLE")]
    {
        let stub = stub();
        let (_store, input) = open(&stub, stub.connection());
        stub.plan(Verb::Range, &vec![fault.clone(); 3]);
        let error = input.unwrap().read_at(0, &mut [0; 8]).unwrap_err();
        assert_eq!(error.code, code, "{fault:?}: {error}");
        assert!(!error.to_string().contains("day="), "{error}");
    }
}

#[test]
fn a_server_without_strong_versions_is_refused_with_what_to_do() {
    let stub = stub();
    stub.plan(Verb::Stat, &[Fault::Status(200, "")]);
    let error = open(&stub, stub.connection()).1.err().unwrap();
    assert_eq!(error.code, "SPEC_NOT_AVAILABLE");
    assert!(error.to_string().contains("strong ETag") && error.to_string().contains("copy it"), "{error}");
    stub.plan(Verb::Stat, &[Fault::Status(301, "")]);
    assert!(open(&stub, stub.connection()).1.err().unwrap().to_string().contains("redirects are not followed"));
}

#[test]
fn names_that_lead_into_our_own_network_are_never_connected_to() {
    let stub = stub();
    let port = stub.address.rsplit_once(':').unwrap().1.to_owned();
    let named = Connection { endpoint: Some(format!("http://localhost:{port}")), private_addresses: false, ..stub.connection() };
    let store = store_of(named.clone());
    let place = store.place(&format!("http://localhost:{port}/in.csv"), None, Access::Read).unwrap();
    let _visit = store.enter(call(), &[]);
    let error = store.open_input(&place, None).err().unwrap();
    assert_eq!(error.code, "STORAGE_FORBIDDEN");
    assert!(error.to_string().contains("not a public one"), "{error}");
    let literal = store_of(Connection { private_addresses: false, ..stub.connection() });
    assert_eq!(literal.place(&format!("http://{}/in.csv", stub.address), None, Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN");
    assert_eq!(stub.state().asked.len(), 0);
    let open = store_of(Connection { private_addresses: true, ..named });
    let _visit = open.enter(call(), &[]);
    open.open_input(&open.place(&format!("http://localhost:{port}/in.csv"), None, Access::Read).unwrap(), None).map(|_| ()).unwrap();
}

#[test]
fn proxies_of_the_environment_are_not_heard() {
    const INNER: &str = "MILLRACE_STORE_TEST_ADDRESS";
    if let Ok(address) = std::env::var(INNER) {
        let connection = Connection { endpoint: Some(format!("http://{address}")), ..stub().connection() };
        let store = store_of(connection);
        let _visit = store.enter(call(), &[]);
        store.open_input(&store.place(&format!("http://{address}/in.csv"), None, Access::Read).unwrap(), None).map(|_| ()).unwrap();
        return;
    }
    let stub = stub();
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "web::proxies_of_the_environment_are_not_heard"]).env(INNER, &stub.address);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        inner.env(name, "http://127.0.0.1:1");
    }
    let run = inner.output().unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_web_server_is_neither_listed_nor_written() {
    let store = Store::new(&Grants { http_hosts: vec!["files.example.org".into()], ..Grants::default() }).unwrap();
    let place = store.place("https://files.example.org/x/", None, Access::Read).unwrap();
    assert_eq!(store.list(&place, &millrace_store::ListQuery::default()).unwrap_err().code, "SPEC_URI");
    assert_eq!(store.overwrite(&place, b"x").unwrap_err().code, "STORAGE_FORBIDDEN");
    assert_eq!(store.delete(&place).unwrap_err().code, "STORAGE_FORBIDDEN");
}
