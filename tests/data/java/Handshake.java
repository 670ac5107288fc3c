import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;

/** TLS between two threads: the server has one key of the token, the client trusts its certificate alone. */
class Handshake {
    private static final int LIMIT_MS = 60_000;
    private static final byte[] GREETING = "hello".getBytes(StandardCharsets.UTF_8);

    static void over(KeyStore token, String alias, char[] pin, String version) throws Exception {
        PrivateKey key = (PrivateKey) token.getKey(alias, pin);
        Certificate certificate = token.getCertificate(alias);
        SSLContext server = SSLContext.getInstance(version);
        server.init(
            new KeyManager[] {new OneKey(alias, key, (X509Certificate) certificate)}, null, null);

        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        trusted.setCertificateEntry("server", certificate);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext client = SSLContext.getInstance(version);
        client.init(null, trust.getTrustManagers(), null);
        talk(server, client, certificate, version);
    }

    private static void talk(SSLContext server, SSLContext client, Certificate certificate,
            String version) throws Exception {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (SSLServerSocket listener =
                (SSLServerSocket) server.getServerSocketFactory().createServerSocket(0, 1, here)) {
            listener.setEnabledProtocols(new String[] {version});
            listener.setSoTimeout(LIMIT_MS);
            FutureTask<Void> serving = new FutureTask<>(() -> {
                try (Socket one = listener.accept()) {
                    one.setSoTimeout(LIMIT_MS);
                    one.getOutputStream().write(GREETING);
                }
                return null;
            });
            Thread thread = new Thread(serving);
            thread.setDaemon(true);
            thread.start();
            try (SSLSocket socket = (SSLSocket) client.getSocketFactory()
                    .createSocket(here, listener.getLocalPort())) {
                socket.setSoTimeout(LIMIT_MS);
                socket.startHandshake();
                InputStream in = socket.getInputStream();
                if (!Arrays.equals(in.readNBytes(GREETING.length), GREETING)
                        || !socket.getSession().getProtocol().equals(version)
                        || !socket.getSession().getPeerCertificates()[0].equals(certificate)) {
                    throw new IllegalStateException("this is not the server's " + version);
                }
            }
            serving.get(LIMIT_MS, TimeUnit.MILLISECONDS);
        }
    }

    /** Offers one key, whatever else is on the token. */
    private static final class OneKey extends X509ExtendedKeyManager {
        private final String alias;
        private final PrivateKey key;
        private final X509Certificate certificate;

        OneKey(String alias, PrivateKey key, X509Certificate certificate) {
            this.alias = alias;
            this.key = key;
            this.certificate = certificate;
        }

        private String fitting(String type) {
            return type.equals(key.getAlgorithm()) ? alias : null;
        }

        @Override
        public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return fitting(type);
        }

        @Override
        public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
            return fitting(type);
        }

        @Override
        public String[] getServerAliases(String type, Principal[] issuers) {
            return fitting(type) == null ? null : new String[] {alias};
        }

        @Override
        public String[] getClientAliases(String type, Principal[] issuers) {
            return null;
        }

        @Override
        public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return null;
        }

        @Override
        public X509Certificate[] getCertificateChain(String wanted) {
            return new X509Certificate[] {certificate};
        }

        @Override
        public PrivateKey getPrivateKey(String wanted) {
            return key;
        }
    }
}
