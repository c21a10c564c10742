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
        ClientStream link = await ConnectAsync(TlsSettings.Off);
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
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(TlsSettings.Off, port: port));
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
        // A full backlog of a listener that never accepts: further connects are not answered.
        using var busy = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        busy.Bind(new IPEndPoint(IPAddress.Loopback, 0));
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
                filler.Connect(IPAddress.Loopback, port);
            }
            catch (SocketException)
            {
                // Under way, or not answered.
            }
        }

        await Assert.ThrowsAsync<TimeoutException>(
            () => ConnectAsync(TlsSettings.Off, TimeSpan.FromMilliseconds(300), port));
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
}
