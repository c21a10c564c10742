using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.IntegrationTests.Security;

[OnlyRabbitMq("the embedded broker has no TLS; the library's own TLS is tested on RabbitMQ's")]
public sealed class TlsTests(TestBroker broker, TlsListeners listeners)
    : FeatureTest(broker), IClassFixture<TlsListeners>
{
    public override async ValueTask InitializeAsync() => await listeners.OpenAsync();

    [Theory]
    [InlineData("roots", AmqpConnectionLayout.Separate)]
    [InlineData("roots", AmqpConnectionLayout.Shared)]
    [InlineData("file", AmqpConnectionLayout.Separate)]
    [Trait("Broker", "3.10")]
    public async Task With_its_own_roots_a_client_connects_and_works_over_TLS(string how, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.Uri = TlsListeners.Uri(listeners.Good);
            if (how == "file")
                options.Tls.TrustedRootsFile = listeners.RootFile;
            else
                options.Tls.TrustedRoots = [listeners.Authority.Root];
        });
        string queue = await NewQueueAsync(amqp);
        byte[] large = new byte[3_000_000];
        Random.Shared.NextBytes(large);
        await amqp.ServeAsync(
            queue,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        AmqpReply reply = await amqp.CallAsync(AmqpMessage.ToQueue(queue, large), cancellationToken: Cancelled);
        Assert.True(reply.Body.Span.SequenceEqual(large));
        string ports = await Broker.RabbitMq.RabbitMqCtlAsync(
            ["list_connections", "--no-table-headers", "ssl", "ssl_protocol", "client_properties"], Cancelled);
        string[] mine = [.. ports.Split('\n').Where(line => line.Contains(ClientId(), StringComparison.Ordinal))];
        Assert.Equal(layout == AmqpConnectionLayout.Shared ? 1 : 2, mine.Length);
        Assert.All(mine, line => Assert.StartsWith("true\ttlsv1.", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("untrusted by the system", "untrusted root")]
    [InlineData("trusting another root", "untrusted root")]
    [InlineData("wrong name", "name mismatch")]
    [InlineData("wrong name asked for", "name mismatch")]
    [InlineData("common name only", "name mismatch")]
    [InlineData("expired", "expired")]
    public async Task A_broker_that_cannot_prove_its_identity_is_refused(string why, string words)
    {
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.Uri = why switch
            {
                "wrong name" or "common name only" => TlsListeners.Uri(listeners.WrongName),
                "expired" => TlsListeners.Uri(listeners.Expired),
                _ => TlsListeners.Uri(listeners.Good),
            };
            if (why == "trusting another root")
                options.Tls.TrustedRoots = [listeners.Stranger.Root];
            else if (why != "untrusted by the system")
                options.Tls.TrustedRoots = [listeners.Authority.Root];
            if (why == "wrong name asked for")
                options.Tls.ServerName = "other.example";
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.False(error.IsRefused); // it is not the broker that refused
        Assert.False(amqp.Status.IsReady);
        Assert.Empty(await ConnectionsAsync());
    }

    [Fact]
    public async Task The_name_to_expect_can_be_given_when_it_is_not_the_hosts()
    {
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = TlsListeners.Uri(listeners.WrongName, "127.0.0.1");
            options.Tls.TrustedRoots = [listeners.Authority.Root];
            options.Tls.ServerName = "broker.example";
        });
        await NewQueueAsync(amqp);
    }

    [Fact]
    public async Task An_address_is_checked_against_the_certificates_addresses()
    {
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = TlsListeners.Uri(listeners.Good, "127.0.0.1");
            options.Tls.TrustedRoots = [listeners.Authority.Root];
        });
        await NewQueueAsync(amqp);
    }

    [Theory, InlineData("object"), InlineData("file"), InlineData("none"), InlineData("stranger")]
    public async Task A_broker_that_asks_for_a_client_certificate_accepts_only_a_client_that_has_one(string kind)
    {
        using X509Certificate2 own = listeners.Authority.Issue("client");
        using X509Certificate2 foreign = listeners.Stranger.Issue("client");
        string file = Path.Combine(listeners.Folder, "client.pem"),
            keyFile = Path.Combine(listeners.Folder, "client.key");
        var (certificate, key) = Authority.Pem(own);
        await File.WriteAllTextAsync(file, certificate, Cancelled);
        await File.WriteAllTextAsync(keyFile, key, Cancelled);
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.Uri = TlsListeners.Uri(listeners.Mutual);
            options.Tls.TrustedRoots = [listeners.Authority.Root];
            if (kind == "object")
                options.Tls.ClientCertificates = [own];
            else if (kind == "stranger")
                options.Tls.ClientCertificates = [foreign];
            else if (kind == "file")
                (options.Tls.ClientCertificateFile, options.Tls.ClientKeyFile) = (file, keyFile);
        });
        if (kind is "object" or "file")
        {
            await InTime(amqp.OpenAsync(Cancelled));
            await NewQueueAsync(amqp);
        }
        else
        {
            await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
            Assert.False(amqp.Status.IsReady);
        }
    }

    [Theory]
    [InlineData("TrustedRootsFile", "missing", "there is no such file")]
    [InlineData("TrustedRootsFile", "key", "it has no certificate in PEM")]
    [InlineData("TrustedRootsFile", "malformed", "a certificate in it is malformed")]
    [InlineData("cacertfile", "missing", "there is no such file")]
    [InlineData("ClientCertificateFile", "missing", "there is no such file")]
    [InlineData("ClientCertificateFile", "certificate", "it has no private key that fits")]
    [InlineData("certfile", "certificate", "it has no private key that fits")]
    [InlineData("ClientKeyFile", "missing", "there is no such file")]
    [InlineData("ClientKeyFile", "another key", "it has no private key that fits")]
    [InlineData("ClientKeyFile", "key with a password", "and needs no password")]
    public async Task A_certificate_file_that_cannot_be_used_is_told_by_its_option_and_the_reason(string option,
        string content, string reason)
    {
        using X509Certificate2 own = listeners.Authority.Issue("client"), other = listeners.Authority.Issue("other");
        var (certificate, key) = Authority.Pem(own);
        string file = Path.Combine(listeners.Folder, $"{option} {content}.pem"),
            good = Path.Combine(listeners.Folder, $"{option} {content} good.pem");
        await File.WriteAllTextAsync(good, certificate, Cancelled);
        if (content != "missing")
            await File.WriteAllTextAsync(file, content switch
            {
                "certificate" => certificate,
                "malformed" => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "another key" => Authority.Pem(other).Key,
                "key with a password" => own.GetRSAPrivateKey()!.ExportEncryptedPkcs8PrivateKeyPem("secret",
                    new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)),
                _ => key,
            }, Cancelled);
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.Uri = TlsListeners.Uri(listeners.Good)
                + (char.IsLower(option[0]) ? $"?{option}={Uri.EscapeDataString(file)}" : "");
            if (option is not ("TrustedRootsFile" or "cacertfile"))
                options.Tls.TrustedRoots = [listeners.Authority.Root];
            if (option == "TrustedRootsFile")
                options.Tls.TrustedRootsFile = file;
            else if (option == "ClientCertificateFile")
                options.Tls.ClientCertificateFile = file;
            else if (option == "ClientKeyFile")
                (options.Tls.ClientCertificateFile, options.Tls.ClientKeyFile) = (good, file);
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.Contains($"{option} '{file}' cannot be used: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_peer_that_answers_in_plain_text_on_a_TLS_port_is_refused()
    {
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            // RabbitMQ answers the unknown protocol with "AMQP 0 0 9 1"
            options.Uri = TlsListeners.Uri(Broker.Node.Port);
            options.Tls.TrustedRoots = [listeners.Authority.Root];
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.Contains("TLS", error.Message, StringComparison.Ordinal);
        Assert.Empty(await ConnectionsAsync());
    }

    [Fact]
    public async Task A_client_without_TLS_on_a_TLS_port_fails_within_its_time()
    {
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.ConnectTimeout = TimeSpan.FromSeconds(3);
            options.Uri = new UriBuilder(Broker.Uri) { Port = listeners.Good }.Uri.ToString();
        });
        await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
    }

    private string ClientId() => NewName("").Split('.')[1] is var id ? $"test-{id}:" : "";
}
