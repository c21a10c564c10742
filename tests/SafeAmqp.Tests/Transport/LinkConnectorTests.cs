// Every wait here is bounded by itself, by the deadline under test or by the server that the test owns.
#pragma warning disable xUnit1051
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using SafeAmqp.Broker;
using SafeAmqp.Transport;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.Tests.Transport;

public sealed class LinkConnectorTests : ConnectorTests
{
    [Fact]
    public async Task A_plain_link_connects_and_carries_bytes_both_ways()
    {
        Task<Socket> accepting = Listener.AcceptSocketAsync();
        ClientStream link = await ConnectAsync(tls: null);
        using Socket server = await accepting.Soon();
        Assert.True(link.Socket.NoDelay);
        await link.WriteAsync(Heartbeat()).Soon();
        Assert.Equal(Heartbeat(), await server.ReadExactlyAsync(8));
        await server.SendAsync(Heartbeat());
        Assert.Equal(8, await link.ReadAsync(new byte[8]).Soon());
        await link.DisposeAsync().Soon();
    }

    [Fact]
    public async Task A_closed_port_is_refused()
    {
        Listener.Stop();
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(tls: null, port: port));
    }

    [Fact]
    public async Task A_silent_TLS_server_is_left_at_the_deadline_with_the_socket_closed()
    {
        Task<Socket> accepting = Listener.AcceptSocketAsync();
        var clock = Stopwatch.StartNew();
        await Assert.ThrowsAsync<TimeoutException>(() => ConnectAsync(Tls(), TimeSpan.FromMilliseconds(300)));
        Assert.InRange(clock.ElapsedMilliseconds, 250, 5000);
        using Socket server = await accepting.Soon();
        // Its end is seen on the other side: nothing is left open.
        await server.ReadToEndAsync();
    }

    [Fact]
    public async Task A_connect_that_gets_no_answer_is_left_at_the_deadline()
    {
        int port = Deaf(new IPEndPoint(IPAddress.Loopback, 0));
        await Assert.ThrowsAsync<TimeoutException>(
            () => ConnectAsync(tls: null, TimeSpan.FromMilliseconds(300), port));
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task An_address_that_does_not_answer_or_refuses_leaves_its_time_to_the_next(bool isDeaf)
    {
        var other = IPAddress.Parse("127.0.0.2");
        if (isDeaf)
            Deaf(new IPEndPoint(other, Port));
        Task<Socket> accepting = Listener.AcceptSocketAsync();
        ClientStream link = await ConnectAsync(tls: null, TimeSpan.FromSeconds(8),
            addresses: [other, IPAddress.Loopback]);
        using Socket server = await accepting.Soon();
        Assert.Equal(IPAddress.Loopback, ((IPEndPoint)link.Socket.RemoteEndPoint!).Address);
        await link.DisposeAsync().Soon();
    }

    [Fact]
    public async Task A_host_without_an_address_is_told_like_one_that_is_not_known()
        => Assert.Equal(SocketError.NoData, (await Assert.ThrowsAsync<SocketException>(
            () => ConnectAsync(tls: null, addresses: []))).SocketErrorCode);

    [Fact]
    public async Task A_certificate_that_is_refused_is_told_and_the_next_address_is_not_asked()
    {
        var next = new TcpListener(IPAddress.Parse("127.0.0.2"), Port);
        next.Start();
        Own(next);
        _ = ServeAsync(Certificates.Server());
        await Assert.ThrowsAsync<TlsRefusedException>(() => ConnectAsync(Tls() with { ServerName = "other.example" },
            addresses: [IPAddress.Loopback, IPAddress.Parse("127.0.0.2")]));
        Assert.False(next.Pending());
    }

    [Fact]
    public async Task Cancelling_the_connect_carries_the_callers_token()
    {
        using var cancel = new CancellationTokenSource();
        Task<Socket> accepting = Listener.AcceptSocketAsync();
        Task<ClientStream> connecting = ConnectAsync(Tls(), cancellationToken: cancel.Token);
        using Socket server = await accepting.Soon();
        await server.ReceiveAsync(new byte[5]);
        await cancel.CancelAsync();
        OperationCanceledException cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => connecting.Soon());
        Assert.Equal(cancel.Token, cancelled.CancellationToken);
        Assert.Equal(0, Ended.Count);
    }

    // A full backlog of a listener that never accepts: further connects are not answered.
    private int Deaf(IPEndPoint at)
    {
        var busy = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Own(busy);
        busy.Bind(at);
        busy.Listen(0);
        int port = ((IPEndPoint)busy.LocalEndPoint!).Port;
        for (int i = 0; i < 8; i++)
        {
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            {
                Blocking = false
            };
            Own(filler);
            try
            {
                filler.Connect(at.Address, port);
            }
            catch (SocketException)
            {
                // Under way, or not answered.
            }
        }
        return port;
    }
}
