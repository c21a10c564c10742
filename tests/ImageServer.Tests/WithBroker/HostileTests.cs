using System.Diagnostics.Metrics;
using System.Net.Sockets;
using ImageServer.Protocol;
using ImageServer.Server;
using ImageServer.Server.Clients;
using ImageServer.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using SkiaSharp;

namespace ImageServer.Tests.WithBroker;

/// <summary>What harms its sender alone. Beside each of them another client is served.</summary>
public sealed class HostileTests(Broker broker)
{
    [Fact]
    public async Task A_thousand_clients_at_once_are_all_served_and_counted()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        var clients = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => server.ConnectAsync()));
        await Task.WhenAll(clients.Select(async client => Assert.Equal("ACK!", await client.MessageAsync("hello"))));
        Assert.Equal(1000, server.State.Clients.Count);
        Assert.Contains("Starting Connection: 1000", server.Lines.All);

        await Task.WhenAll(clients.Select(client => client.PictureAsync("video")));
        foreach (var client in clients)
            client.Dispose();
        await server.EmptyAsync();
        Assert.Contains("Active connections: 0", server.Lines.All);
    }

    [Fact]
    public async Task The_count_is_right_under_clients_that_are_killed()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        const int Clients = 200;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async number =>
        {
            using var client = await server.ConnectAsync();
            if (number % 3 == 0)
                await client.AnswerAsync("hello");
            await client.SendAsync(number % 2 == 0 ? "video" : "gen a boat", TestContext.Current.CancellationToken);
            client.Abort();
        }));
        // There may be none for a moment while some that have gone already wait to be accepted.
        await Until.TrueAsync(
            () => server.State is { ClientsSeen: Clients, Clients.IsEmpty: true }, "all have come and left");
        await Until.TrueAsync(() => server.State.Line.IsEmpty, "nothing waits for clients that have left");
        var (starts, ends) = (Lines(server, "Starting Connection: "), Lines(server, "Active connections: "));
        Assert.Equal(server.State.ClientsSeen, starts.Count);
        Assert.Equal(server.State.ClientsSeen, ends.Count);
        Assert.Equal(0, ends[^1]);
    }

    [Fact]
    public async Task A_prompt_of_a_megabyte_is_answered_with_an_error_and_the_client_goes_on()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        using var client = await server.ConnectAsync();
        Assert.Equal("A line has at most 4096 bytes", await client.ErrorAsync("gen " + new string('a', 1 << 20)));
        Assert.Equal("ACK!", await client.MessageAsync("hello"));
    }

    [Fact]
    public async Task A_line_without_end_is_cut_off_and_counted_and_others_are_served_meanwhile()
    {
        using var cutOff = new CutOffCounter();
        await using var server = await RunningServer.StartAsync(broker.Uri);
        using var other = await server.ConnectAsync();
        using var tcp = await ConnectAsync(server);
        byte[] piece = new byte[64 * 1024];
        Array.Fill(piece, (byte)'x');
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            for (int sent = 0; sent < 8 * LineReader.MaxSkippedBytes; sent += piece.Length)
            {
                await tcp.GetStream().WriteAsync(piece, TestContext.Current.CancellationToken);
                if (sent % (1 << 20) == 0)
                    Assert.Equal("ACK!", await other.MessageAsync("hello"));
            }
        });
        await Until.TrueAsync(() => server.State.Clients.Count == 1, "the endless one is gone");
        Assert.Equal(1, cutOff["endless_line"]);
    }

    [Fact]
    public async Task A_line_that_trickles_in_is_cut_off_when_its_time_is_over()
    {
        using var cutOff = new CutOffCounter();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("LINE_SECONDS", "0.5"));
        using var tcp = await ConnectAsync(server);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var trickling = Task.Run(async () =>
        {
            while (true)
            {
                await tcp.Client.SendAsync("x"u8.ToArray());
                await Task.Delay(20, ended.Token);
            }
        }, TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => server.State.ClientsSeen == 1 && server.State.Clients.IsEmpty, "it is gone");
        await ended.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => trickling);
        Assert.Equal(1, cutOff["slow_line"]);
    }

    [Fact]
    public async Task A_client_that_says_nothing_for_too_long_is_cut_off_and_one_that_waits_for_its_picture_is_not()
    {
        using var cutOff = new CutOffCounter();
        await using var server = await RunningServer.StartAsync(
            broker.Uri, ("IDLE_SECONDS", "1.5"), ("GEN_MODEL", "patient"), ("DRAWING_SECONDS", "4"));
        await server.StartWorkerAsync();
        using var patient = await server.ConnectAsync();
        var picture = patient.PictureAsync("gen a boat");
        using var silent = await server.ConnectAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => ReadOneAfterTheOtherAsync(silent));
        await picture;
        Assert.InRange(cutOff["idle"], 1, 2); // the patient one is idle after its picture
    }

    [Fact]
    public async Task A_client_that_never_reads_is_cut_off_and_others_are_served_meanwhile()
    {
        using var cutOff = new CutOffCounter();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("SEND_SECONDS", "1"));
        using var other = await server.ConnectAsync();
        using var deaf = new TcpClient { ReceiveBufferSize = 4096 };
        await deaf.ConnectAsync("127.0.0.1", server.Port, TestContext.Current.CancellationToken);
        try
        {
            for (int i = 0; i < 200; i++)
                await deaf.Client.SendAsync("gfx 17 video\n"u8.ToArray(), TestContext.Current.CancellationToken);
        }
        catch (SocketException)
        {
            // It may be gone already.
        }

        await other.PictureAsync("video");
        await Until.TrueAsync(() => server.State is { ClientsSeen: 2, Clients.Count: 1 }, "the deaf one is gone");
        Assert.Equal(1, cutOff["slow_reader"]);
        await other.PictureAsync("next");
    }

    [Fact]
    public async Task Binary_rubbish_of_any_kind_does_no_harm()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        using var other = await server.ConnectAsync();
        await Task.WhenAll(Enumerable.Range(0, 30).Select(async seed =>
        {
            using var tcp = await ConnectAsync(server);
            var random = new Random(seed);
            byte[] rubbish = new byte[random.Next(1, 60_000)];
            random.NextBytes(rubbish);
            await tcp.Client.SendAsync(rubbish, TestContext.Current.CancellationToken);
            tcp.Client.Shutdown(SocketShutdown.Send);
            byte[] buffer = new byte[64 * 1024];
            try
            {
                while (await tcp.Client.ReceiveAsync(buffer, TestContext.Current.CancellationToken) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // "quit" may stand in it.
            }
        }));
        Assert.Equal("ACK!", await other.MessageAsync("hello"));
        await Until.TrueAsync(() => server.State.Clients.Count == 1, "the others are gone");
        Assert.DoesNotContain(server.Lines.All, line => line.EndsWith(": failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task More_clients_than_may_be_are_turned_away_until_one_leaves()
    {
        using var cutOff = new CutOffCounter();
        await using var server = await RunningServer.StartAsync(broker.Uri, ("MAX_CONNECTIONS", "2"));
        using var one = await server.ConnectAsync();
        using var two = await server.ConnectAsync();
        await one.AnswerAsync("hello");
        await two.AnswerAsync("hello");
        using var three = await server.ConnectAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => three.AnswerAsync("hello"));
        Assert.Equal(1, cutOff["too_many"]);

        one.Dispose();
        await Until.TrueAsync(() => server.State.Clients.Count == 1, "one has left");
        using var four = await server.ConnectAsync();
        Assert.Equal("ACK!", await four.MessageAsync("hello"));
    }

    [Fact]
    public async Task Showurl_fetches_only_what_is_allowed_and_never_from_internal_addresses_by_default()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        await using var site = builder.Build();
        using var plain = Images.Plain(32, 24, SKColors.Red);
        int asked = 0;
        site.MapGet("/red.png", () =>
        {
            Interlocked.Increment(ref asked);
            return Results.Bytes(Images.Encode(plain, SKEncodedImageFormat.Png), "image/png");
        });
        site.MapGet("/bomb.png", () => Results.Bytes(Images.PngBomb(60_000, 60_000), "image/png"));
        site.MapGet("/away", () => Results.Redirect("http://127.0.0.2/red.png"));
        await site.StartAsync(TestContext.Current.CancellationToken);
        int port = new Uri(site.Urls.Single()).Port;

        await using (var closed = await RunningServer.StartAsync(broker.Uri))
        {
            using var client = await closed.ConnectAsync();
            foreach (string url in (string[])[
                $"http://127.0.0.1:{port}/red.png", "http://example.com/a.png", "file:///etc/passwd", "ftp://a/b",
                "http://[::1]/"])
                Assert.Equal("This address is not allowed", await client.ErrorAsync($"showurl {url}"));
        }

        // On the allow list by name, and the name leads to this machine: as one whose owner changes where it leads.
        await using (
            var named = await RunningServer.StartAsync(
            broker.Uri, ("SHOWURL_HOSTS", $"localhost:{port},127.0.0.1:{port}")))
        {
            using var client = await named.ConnectAsync();
            Assert.Equal(
                "This address is not allowed", await client.ErrorAsync($"showurl http://localhost:{port}/red.png"));
            Assert.Equal(
                "This address is not allowed", await client.ErrorAsync($"showurl http://127.0.0.1:{port}/red.png"));
            Assert.Equal(0, asked);
        }

        await using var open = await RunningServer.StartAsync(
            broker.Uri, ("SHOWURL_HOSTS", $"127.0.0.1:{port}"), ("SHOWURL_INTERNAL_HOSTS", "127.0.0.1"));
        using var allowed = await open.ConnectAsync();
        Assert.Equal(
            (255, 0, 0), (await allowed.PictureAsync($"gfx 17 showurl http://127.0.0.1:{port}/red.png"))
            .ColorAt(160, 120));
        Assert.Equal("This address is not allowed", await allowed.ErrorAsync($"showurl http://127.0.0.1:{port}/away"));
        Assert.Contains(
            "which is too many", await allowed.ErrorAsync($"showurl http://127.0.0.1:{port}/bomb.png"),
            StringComparison.Ordinal);
        Assert.Equal(
            "This address could not be fetched", await allowed.ErrorAsync($"showurl http://127.0.0.1:{port}/none"));
    }

    private static List<int> Lines(RunningServer server, string text) => [.. server.Lines.All
        .Where(line => line.StartsWith(text, StringComparison.Ordinal))
        .Select(line => int.Parse(line[text.Length..], System.Globalization.CultureInfo.InvariantCulture))];

    private static async Task<TcpClient> ConnectAsync(RunningServer server)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", server.Port, TestContext.Current.CancellationToken);
        return tcp;
    }

    // Until the connection ends; the error that says so may be lost with it.
    private static async Task ReadOneAfterTheOtherAsync(ImageConnection connection)
    {
        for (int i = 0; i < 10; i++)
            await connection.ReadAsync(TestContext.Current.CancellationToken)
                .WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    /// <summary>Counts clients that were cut off, by reason. Tests of this class run one after the other.</summary>
    private sealed class CutOffCounter : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _reasons = new();

        public CutOffCounter()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == ServerMetrics.MeterName
                    && instrument.Name == "imageserver.clients.cut_off")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => _reasons.Enqueue((string)tags[0].Value!));
            _listener.Start();
        }

        public int this[string reason] => _reasons.Count(one => one == reason);

        public void Dispose() => _listener.Dispose();
    }
}
