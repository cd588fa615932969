#!/bin/sh
# A node without scheduler and controllers: etcd, kube-apiserver, containerd, kubelet. Ends when one of them ends.
set -eu
pki=/var/lib/node/pki
mkdir -p "$pki" /var/lib/node/plugins /var/lib/node/logs /node/cni
cp /node/network.conflist /node/cni/
# No pod has a way out, and so no name server; the kubelet wants a file.
: >/node/resolv.conf

# The kubelet wants to write settings of the whole machine. It reads what it wants, and writes nothing.
for setting in kernel/panic=10 kernel/panic_on_oops=1 vm/overcommit_memory=1; do
  file=/node/sysctl-$(basename "${setting%=*}")
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
certificate() { # NAME SUBJECT SAN
  key "$pki/$1.key"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$pki/$1.ext"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 2 \
    -extfile "$pki/$1.ext" -out "$pki/$1.crt" 2>/dev/null
}
key "$pki/ca.key"
openssl req -x509 -new -key "$pki/ca.key" -subj /CN=builder-contracts -days 2 -out "$pki/ca.crt"
certificate apiserver /CN=kube-apiserver DNS:localhost,IP:127.0.0.1
certificate kubelet /CN=kubelet DNS:localhost
certificate node /O=system:nodes/CN=system:node:localhost DNS:node
certificate client /O=system:masters/CN=kubelet-client DNS:client
certificate admin /O=system:masters/CN=admin DNS:admin
openssl genrsa -out "$pki/accounts.key" 2048 2>/dev/null
openssl rsa -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub" 2>/dev/null

kubeconfig() { # NAME SERVER
  cat <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}}]
contexts: [{name: builder-contracts, context: {cluster: c, user: u}}]
current-context: builder-contracts
CONFIG
}
kubeconfig node https://127.0.0.1:6443 >/var/lib/node/node.kubeconfig
kubeconfig admin https://127.0.0.1:6443 >/var/lib/node/admin.kubeconfig

log() { exec >>"/var/lib/node/logs/$1.log" 2>&1; }
(log etcd; exec etcd --data-dir /var/lib/node/etcd --unsafe-no-fsync --log-level warn) &
started=$!
(log containerd; exec containerd --config /node/containerd.toml) &
started="$started $!"
(
  log kube-apiserver
  exec /opt/kubernetes/kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$(hostname -i | cut -d' ' -f1)" \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$pki/accounts.key" \
    --service-account-key-file="$pki/accounts.pub" --authorization-mode=Node,RBAC --allow-privileged=true \
    --service-cluster-ip-range=10.96.77.0/24 --kubelet-client-certificate="$pki/client.crt" \
    --kubelet-client-key="$pki/client.key" --kubelet-certificate-authority="$pki/ca.crt" \
    --kubelet-preferred-address-types=Hostname --endpoint-reconciler-type=none --enable-priority-and-fairness=false
) &
started="$started $!"
# The kubelet does not wait for containerd.
until ctr version >/dev/null 2>&1; do sleep 0.1; done
(
  log kubelet
  exec /opt/kubernetes/kubelet --config=/node/kubelet.yaml --kubeconfig=/var/lib/node/node.kubeconfig \
    --hostname-override=localhost --root-dir=/var/lib/node/kubelet
) &
started="$started $!"
touch /var/lib/node/started
# The first that ends takes the others along.
while kill -0 $started 2>/dev/null; do sleep 1; done
exit 1
