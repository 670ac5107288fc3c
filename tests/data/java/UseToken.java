import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.Arrays;
import java.util.Collections;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * What a Java application does with a token whose key pairs are called rsa and ec.
 *
 * Words: configuration, PIN, a PKCS#12 file with a key pair called outside, then the themes to go through. What
 * held is printed, one line a check; the first that does not hold ends the program. A theme as THEME=CODE is to
 * be refused by the token with this code.
 */
public class UseToken {
    private static final byte[] MESSAGE =
        "the quick brown fox".getBytes(StandardCharsets.UTF_8);

    private final Provider token;
    private final KeyStore store;
    private final char[] pin;
    private final String outside;

    private UseToken(String configuration, String pin, String outside) throws Exception {
        this.token = Security.getProvider("SunPKCS11").configure(configuration);
        Security.addProvider(token);
        this.pin = pin.toCharArray();
        this.outside = outside;
        this.store = load();
    }

    public static void main(String[] words) throws Exception {
        UseToken use = new UseToken(words[0], words[1], words[2]);
        for (String theme : Arrays.asList(words).subList(3, words.length)) {
            String[] parts = theme.split("=");
            if (parts.length == 1) {
                use.goThrough(theme);
            } else {
                use.isRefused(parts[0], parts[1]);
            }
            System.out.println("theme: " + theme);
        }
        System.out.println("all held");
    }

    private void goThrough(String theme) throws Exception {
        switch (theme) {
            case "keys" -> keys();
            case "rsa" -> signatures("rsa", "SHA256withRSA", "SHA384withRSA", "SHA512withRSA");
            case "pss" -> pss();
            case "ec" -> signatures("ec", "SHA256withECDSA", "SHA384withECDSA", "NONEwithECDSA");
            case "cbc" -> {
                cipher("AES/CBC/PKCS5Padding", new IvParameterSpec(new byte[16]));
                cipher("AES/CTR/NoPadding", new IvParameterSpec(new byte[16]));
            }
            case "gcm" -> cipher("AES/GCM/NoPadding", new GCMParameterSpec(128, new byte[12]));
            case "mac" -> macs();
            case "digest" -> digests();
            case "wrap" -> wrap();
            case "agree" -> agree();
            case "random" -> random();
            case "entries" -> entries();
            case "outside" -> outsideKey();
            case "tls" -> {
                for (String alias : new String[] {"rsa", "ec"}) {
                    for (String version : new String[] {"TLSv1.2", "TLSv1.3"}) {
                        Handshake.over(store, alias, pin, version);
                        held(version + " with " + alias);
                    }
                }
            }
            default -> throw new IllegalArgumentException(theme);
        }
    }

    private void isRefused(String theme, String code) throws Exception {
        try {
            goThrough(theme);
        } catch (Exception refused) {
            for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
                if (code.equals(cause.getMessage())) {
                    held(theme + " is refused: " + code);
                    return;
                }
            }
            throw refused;
        }
        throw new IllegalStateException(theme + " is not refused");
    }

    private KeyStore load() throws Exception {
        KeyStore loaded = KeyStore.getInstance("PKCS11", token);
        loaded.load(null, pin);
        return loaded;
    }

    private void keys() throws Exception {
        for (String alias : new String[] {"rsa", "ec"}) {
            check(store.isKeyEntry(alias), alias + " is a key");
            Certificate certificate = store.getCertificate(alias);
            certificate.verify(certificate.getPublicKey());
            PrivateKey key = (PrivateKey) store.getKey(alias, null);
            check(key.getEncoded() == null, alias + " does not leave the token");
        }
    }

    private void signatures(String alias, String... algorithms) throws Exception {
        for (String algorithm : algorithms) {
            // ECDSA without a hash takes what has the length of one.
            byte[] data = algorithm.startsWith("NONE") ? Arrays.copyOf(MESSAGE, 32) : MESSAGE;
            sign(alias, Signature.getInstance(algorithm, token),
                Signature.getInstance(algorithm), data, null, algorithm);
        }
    }

    private void pss() throws Exception {
        PSSParameterSpec parameter =
            new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1);
        sign("rsa", Signature.getInstance("RSASSA-PSS", token),
            Signature.getInstance("RSASSA-PSS", "SunRsaSign"), MESSAGE, parameter, "RSASSA-PSS");
    }

    /** Signed by the token; verified by the token and by Java's own provider, from the certificate. */
    private void sign(String alias, Signature inside, Signature own, byte[] data,
            AlgorithmParameterSpec parameter, String name) throws Exception {
        PublicKey key = store.getCertificate(alias).getPublicKey();
        if (parameter != null) {
            inside.setParameter(parameter);
            own.setParameter(parameter);
        }
        inside.initSign((PrivateKey) store.getKey(alias, null));
        inside.update(data);
        byte[] signature = inside.sign();
        for (Signature verifier : new Signature[] {own, inside}) {
            verifier.initVerify(key);
            verifier.update(data);
            check(verifier.verify(signature), name);
            byte[] other = data.clone();
            other[0] ^= 1;
            verifier.initVerify(key);
            verifier.update(other);
            check(!verifier.verify(signature), name + " of something else");
        }
    }

    private SecretKey aes() throws Exception {
        KeyGenerator generator = KeyGenerator.getInstance("AES", token);
        generator.init(256);
        return generator.generateKey();
    }

    private void cipher(String name, AlgorithmParameterSpec parameter) throws Exception {
        SecretKey key = aes();
        // A known key, to compare with Java's own cipher.
        SecretKey known = new SecretKeySpec(Arrays.copyOf(MESSAGE, 32), "AES");
        for (SecretKey one : new SecretKey[] {key, known}) {
            Cipher cipher = Cipher.getInstance(name, token);
            cipher.init(Cipher.ENCRYPT_MODE, one, parameter);
            byte[] sealed = cipher.doFinal(MESSAGE);
            Cipher opener = Cipher.getInstance(name, token);
            opener.init(Cipher.DECRYPT_MODE, one, parameter);
            check(Arrays.equals(opener.doFinal(sealed), MESSAGE), name);
            if (one == known) {
                Cipher own = Cipher.getInstance(name, "SunJCE");
                own.init(Cipher.ENCRYPT_MODE, one, parameter);
                check(Arrays.equals(own.doFinal(MESSAGE), sealed), name + " as Java's own");
            }
        }
    }

    private void macs() throws Exception {
        for (String name : new String[] {"HmacSHA256", "HmacSHA384", "HmacSHA512"}) {
            Key key = KeyGenerator.getInstance(name, "SunJCE").generateKey();
            Mac inside = Mac.getInstance(name, token);
            inside.init(key);
            Mac own = Mac.getInstance(name, "SunJCE");
            own.init(key);
            check(Arrays.equals(own.doFinal(MESSAGE), inside.doFinal(MESSAGE)), name);
        }
    }

    private void digests() throws Exception {
        for (String name : new String[] {"SHA-256", "SHA-384", "SHA-512"}) {
            byte[] inside = MessageDigest.getInstance(name, token).digest(MESSAGE);
            byte[] own = MessageDigest.getInstance(name, "SUN").digest(MESSAGE);
            check(Arrays.equals(inside, own), name);
        }
    }

    /** An AES key leaves the application wrapped by an RSA key, and works when it is back. */
    private void wrap() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", token);
        generator.initialize(2048);
        KeyPair pair = generator.generateKeyPair();
        SecretKey key = new SecretKeySpec(Arrays.copyOf(MESSAGE, 32), "AES");
        Cipher wrapper = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
        wrapper.init(Cipher.WRAP_MODE, pair.getPublic());
        byte[] wrapped = wrapper.wrap(key);
        wrapper.init(Cipher.UNWRAP_MODE, pair.getPrivate());
        Key back = wrapper.unwrap(wrapped, "AES", Cipher.SECRET_KEY);
        IvParameterSpec iv = new IvParameterSpec(new byte[16]);
        Cipher inside = Cipher.getInstance("AES/CBC/PKCS5Padding", token);
        inside.init(Cipher.ENCRYPT_MODE, back, iv);
        Cipher own = Cipher.getInstance("AES/CBC/PKCS5Padding", "SunJCE");
        own.init(Cipher.DECRYPT_MODE, key, iv);
        check(Arrays.equals(own.doFinal(inside.doFinal(MESSAGE)), MESSAGE), "RSA wrapping");
    }

    /** ECDH with the token's key on one side and Java's own on the other. */
    private void agree() throws Exception {
        ECGenParameterSpec curve = new ECGenParameterSpec("secp256r1");
        KeyPairGenerator insideGenerator = KeyPairGenerator.getInstance("EC", token);
        insideGenerator.initialize(curve);
        KeyPair inside = insideGenerator.generateKeyPair();
        KeyPairGenerator ownGenerator = KeyPairGenerator.getInstance("EC", "SunEC");
        ownGenerator.initialize(curve);
        KeyPair own = ownGenerator.generateKeyPair();
        KeyAgreement here = KeyAgreement.getInstance("ECDH", token);
        here.init(inside.getPrivate());
        here.doPhase(own.getPublic(), true);
        KeyAgreement there = KeyAgreement.getInstance("ECDH", "SunEC");
        there.init(own.getPrivate());
        there.doPhase(inside.getPublic(), true);
        check(Arrays.equals(here.generateSecret(), there.generateSecret()), "ECDH");
    }

    private void random() throws Exception {
        SecureRandom random = SecureRandom.getInstance("PKCS11", token);
        byte[] first = new byte[64];
        byte[] second = new byte[64];
        random.nextBytes(first);
        random.nextBytes(second);
        check(!Arrays.equals(first, second), "SecureRandom");
    }

    /** A secret key stored, found by another KeyStore, used, and deleted. */
    private void entries() throws Exception {
        SecretKey known = new SecretKeySpec(Arrays.copyOf(MESSAGE, 32), "AES");
        store.setEntry("secret", new KeyStore.SecretKeyEntry(known), null);
        KeyStore again = load();
        check(again.isKeyEntry("secret"), "an entry is stored");
        IvParameterSpec iv = new IvParameterSpec(new byte[16]);
        Cipher inside = Cipher.getInstance("AES/CBC/PKCS5Padding", token);
        inside.init(Cipher.ENCRYPT_MODE, again.getKey("secret", null), iv);
        Cipher own = Cipher.getInstance("AES/CBC/PKCS5Padding", "SunJCE");
        own.init(Cipher.DECRYPT_MODE, known, iv);
        check(Arrays.equals(own.doFinal(inside.doFinal(MESSAGE)), MESSAGE), "a stored key works");
        again.deleteEntry("secret");
        check(!Collections.list(load().aliases()).contains("secret"), "an entry is deleted");
    }

    /** A key pair made elsewhere, stored with its certificate. */
    private void outsideKey() throws Exception {
        KeyStore file = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(outside)) {
            file.load(in, pin);
        }
        KeyStore.ProtectionParameter protection = new KeyStore.PasswordProtection(pin);
        store.setEntry("imported", file.getEntry("outside", protection), null);
        check(load().isKeyEntry("imported"), "a key pair is imported");
        signatures("imported", "SHA256withRSA");
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what + " does not hold");
        }
        held(what);
    }

    private static void held(String what) {
        System.out.println("held: " + what);
    }
}
