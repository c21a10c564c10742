// Every wait here is bounded by itself, by the deadline under test or by the server that the test owns.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using SafeAmqp.Broker;
using SafeAmqp.Transport;
using SafeAmqp.Wire;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.Tests.Transport;

public sealed class TlsTests : ConnectorTests
{
    [Fact]
    public async Task A_certificate_of_our_own_root_is_accepted_and_the_guard_and_gatherer_work_inside()
    {
        Task<SslStream> serving = ServeAsync(Certificates.Server());
        ClientStream link = await ConnectAsync(Tls());
        SslStream server = await serving.Soon();
        Assert.True(server.SslProtocol is SslProtocols.Tls12 or SslProtocols.Tls13);

        var expected = new MemoryStream();
        Task<byte[]> receiving = ReadToEndAsync(server);
        var random = new Random(7);
        for (int i = 0; i < 2000; i++)
        {
            byte[] message = new byte[i % 100 == 0 ? 90_000 : random.Next(1, 900)];
            random.NextBytes(message);
            expected.Write(message);
            await link.SendAsync(message).Soon();
        }

        await server.WriteAsync(Conversation());
        byte[] got = new byte[Conversation().Length];
        await link.ReadExactlyAsync(got).Soon();
        Assert.Equal(Conversation(), got);
        Assert.True(SpinWait.SpinUntil(() => link.BufferedBytes == 0, Wires.Long));
        await link.DisposeAsync().Soon();
        Assert.Equal(expected.ToArray(), await receiving.Soon());
        Assert.True(link.Sends <= 2000);
    }

    [Fact]
    public async Task A_violation_inside_TLS_is_refused()
    {
        Task<SslStream> serving = ServeAsync(Certificates.Server());
        ClientStream link = await ConnectAsync(Tls());
        SslStream server = await serving.Soon();
        await server.WriteAsync(Frame(4, 0));
        await Assert.ThrowsAsync<FrameViolationException>(() => link.ReadAsync(new byte[8]).Soon());
        Assert.IsType<FrameViolationException>(await Ended.Reason);
    }

    [Fact]
    public async Task A_root_that_only_bears_the_trusted_ones_name_is_refused()
    {
        using var impostor = new TestCertificates();
        _ = ServeAsync(impostor.Server());
        TlsRefusedException refused = await RefusedAsync(Tls());
        Assert.Contains("not signed by the root that it names", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_of_an_unknown_root_is_refused()
    {
        using var others = new TestCertificates("Another root");
        _ = ServeAsync(Certificates.Server());
        TlsRefusedException refused = await RefusedAsync(Tls() with { TrustedRoots = others.Roots });
        Assert.Contains("untrusted root", refused.Message, StringComparison.Ordinal);
        Assert.Equal(SslPolicyErrors.RemoteCertificateChainErrors, refused.PolicyErrors);
    }

    [Fact]
    public async Task Without_roots_of_our_own_the_systems_are_asked_and_do_not_know_ours()
    {
        _ = ServeAsync(Certificates.Server());
        TlsRefusedException refused = await RefusedAsync(Tls() with { TrustedRoots = null });
        Assert.Contains("untrusted root", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trusted_certificate_of_another_name_is_refused()
    {
        _ = ServeAsync(Certificates.Server("elsewhere.example"));
        TlsRefusedException refused = await RefusedAsync(Tls());
        Assert.Contains("name mismatch", refused.Message, StringComparison.Ordinal);
        Assert.Equal(SslPolicyErrors.RemoteCertificateNameMismatch, refused.PolicyErrors);
    }

    [Fact]
    public async Task An_address_must_stand_in_the_certificate_too()
    {
        Task<SslStream> serving = ServeAsync(Certificates.Server("127.0.0.1"));
        await ConnectAsync(Tls() with { ServerName = "127.0.0.1" });
        await serving.Soon();
        _ = ServeAsync(Certificates.Server("127.0.0.2"));
        TlsRefusedException refused = await RefusedAsync(Tls() with { ServerName = "127.0.0.1" });
        Assert.Contains("name mismatch", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_certificate_is_refused()
    {
        _ = ServeAsync(Certificates.Server(endsInDays: -1));
        TlsRefusedException refused = await RefusedAsync(Tls());
        Assert.Contains("expired", refused.Message, StringComparison.Ordinal);
        Assert.True(refused.ChainStatus.HasFlag(X509ChainStatusFlags.NotTimeValid));
    }

    [Fact]
    public async Task A_clients_certificate_is_no_servers()
    {
        _ = ServeAsync(Certificates.Client("localhost"));
        TlsRefusedException refused = await RefusedAsync(Tls());
        Assert.Contains("not made for servers", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("the server's")]
    [InlineData("the root's")]
    [InlineData("the next")]
    public async Task A_pinned_key_may_be_the_servers_or_its_issuers_and_one_of_several(string pinned)
    {
        X509Certificate2 certificate = Certificates.Server();
        Task<SslStream> serving = ServeAsync(certificate);
        byte[] other = new byte[32];
        await ConnectAsync(Tls() with
        {
            PinnedKeys = pinned switch
            {
                "the server's" => [KeyOf(certificate)],
                "the root's" => [KeyOf(Certificates.Roots[0])],
                _ => [other, KeyOf(certificate)],
            },
        });
        await serving.Soon();
    }

    [Fact]
    public async Task Without_a_pinned_key_a_trusted_certificate_is_refused()
    {
        X509Certificate2 certificate = Certificates.Server();
        _ = ServeAsync(certificate);
        TlsRefusedException refused = await RefusedAsync(Tls() with { PinnedKeys = [KeyOf(Certificates.Server())] });
        Assert.Contains("no key in the server's chain is pinned", refused.Message, StringComparison.Ordinal);
        Assert.Equal(SslPolicyErrors.None, refused.PolicyErrors);
    }

    [Fact]
    public async Task A_pinned_key_stands_in_for_no_other_check()
    {
        X509Certificate2 elsewhere = Certificates.Server("elsewhere.example");
        _ = ServeAsync(elsewhere);
        Assert.Contains(
            "name mismatch",
            (await RefusedAsync(Tls() with { PinnedKeys = [KeyOf(elsewhere)] })).Message,
            StringComparison.Ordinal);
        using var others = new TestCertificates("Another root");
        X509Certificate2 untrusted = Certificates.Server();
        _ = ServeAsync(untrusted);
        Assert.Contains(
            "untrusted root",
            (await RefusedAsync(Tls() with { TrustedRoots = others.Roots, PinnedKeys = [KeyOf(untrusted)] })).Message,
            StringComparison.Ordinal);
        X509Certificate2 expired = Certificates.Server(endsInDays: -1);
        _ = ServeAsync(expired);
        Assert.Contains(
            "expired",
            (await RefusedAsync(Tls() with { PinnedKeys = [KeyOf(expired)] })).Message,
            StringComparison.Ordinal);
    }

    private static byte[] KeyOf(X509Certificate2 certificate)
        => System.Security.Cryptography.SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo());

    [Fact]
    public async Task Our_certificate_is_shown_to_a_server_that_asks()
    {
        Task<SslStream> serving = ServeAsync(Certificates.Server(), askClient: true);
        await ConnectAsync(Tls() with { ClientCertificates = [.. Certificates.Roots, Certificates.Client("worker")] });
        SslStream server = await serving.Soon();
        Assert.Equal("CN=worker", server.RemoteCertificate?.Subject);
    }

    [Fact]
    public async Task A_server_that_speaks_plainly_on_the_TLS_port_is_refused_at_once()
    {
        var serving = Task.Run(async () =>
        {
            Socket server = await Listener.AcceptSocketAsync();
            Own(server);
            await server.ReceiveAsync(new byte[5]);
            await server.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        });
        TlsRefusedException refused = await RefusedAsync(Tls());
        Assert.Equal(SslPolicyErrors.None, refused.PolicyErrors);
        Assert.Contains("localhost", refused.Message, StringComparison.Ordinal);
        await serving.Soon();
    }

    [Fact]
    public void Settings_that_cannot_work_are_refused()
    {
        Assert.Throws<ArgumentException>(() => (Tls() with { ServerName = "" }).Validate());
        Assert.Throws<ArgumentException>(() => (Tls() with { ClientCertificates = Certificates.Roots }).Validate());
    }

    [Fact]
    public async Task Links_inside_TLS_end_for_every_writer_and_reader_however_they_are_cut()
    {
        for (int round = 0; round < 25; round++)
        {
            var ended = new Ended();
            Task<SslStream> serving = ServeAsync(Certificates.Server());
            var (link, _) = await LinkConnector.ConnectAsync(
                [IPAddress.Loopback], Port, Tls(), Wires.Long, TimeProvider.System,
                (socket, stream) => Wires.Stream(socket, stream, ended.Call, maxBufferedBytes: 50_000),
                CancellationToken.None);
            link.Receiving();
            SslStream server = await serving.Soon();
            Task<byte[]> receiving = ReadToEndAsync(server);
            Task[] writers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
            {
                for (int i = 0; i < 200; i++) await link.SendAsync(new byte[i % 20 == 0 ? 80_000 : 500]);
            }))];
            Task<int> read = link.ReadAsync(new byte[10]).AsTask();
            Assert.True(SpinWait.SpinUntil(() => link.Sends > round, Wires.Long));
            if (round % 3 == 0) await link.DisposeAsync().Soon();
            else if (round % 3 == 1) link.Abandon(new TimeoutException());
            else await server.DisposeAsync();

            await Task.WhenAll(writers).Soon();
            try
            {
                Assert.Equal(0, await read.Soon());
            }
            catch (IOException)
            {
                // Any end but the peer's orderly one.
            }

            await receiving.Soon();
            await link.DisposeAsync().Soon();
            await ended.Reason;
            Assert.Equal(1, ended.Count);
        }
    }
}
