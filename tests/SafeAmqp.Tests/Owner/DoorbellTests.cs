// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using System.Net.Sockets;
using SafeAmqp.Owner;
using SafeAmqp.Tests.Transport;
using SafeAmqp.Transport;

namespace SafeAmqp.Tests.Owner;

public sealed class DoorbellTests : IDisposable
{
    private readonly Doorbell _bell = new();

    public void Dispose() => _bell.Dispose();

    [Fact]
    public void A_ring_ends_the_wait_or_the_next_one_and_no_other()
    {
        _bell.Ring();
        Assert.True(_bell.Wait([], Wires.Long));
        Assert.False(_bell.Wait([], TimeSpan.FromMilliseconds(5)));
        _bell.Ring();
        _bell.Take();
        Assert.False(_bell.Wait([], TimeSpan.Zero));
    }

    [Fact]
    public async Task Bytes_on_a_socket_end_the_wait_and_the_ring_waits_its_turn()
    {
        (Socket ours, Socket peer) = await Wires.PairAsync();
        Assert.False(_bell.Wait([ours], TimeSpan.FromMilliseconds(5)));
        Task<bool> waiting = Task.Run(() => _bell.Wait([ours], Wires.Long));
        await peer.SendAsync(new byte[1]);
        Assert.False(await waiting.Soon());
        _bell.Ring();
        Assert.True(_bell.Wait([ours], Wires.Long));
        Assert.False(_bell.Wait([ours], Wires.Long)); // its byte is still there
    }

    [Fact]
    public async Task A_socket_that_is_closed_before_the_wait_or_under_it_ends_it()
    {
        for (int round = 0; round < 100; round++)
        {
            (Socket ours, Socket peer) = await Wires.PairAsync();
            Task<bool> waiting = Task.Run(() => _bell.Wait([ours], Wires.Long));
            if (round % 2 == 0) peer.Dispose();
            ours.Dispose();
            Assert.False(await waiting.Soon());
            peer.Dispose();
        }
    }

    [Fact]
    public async Task No_other_socket_can_ring_it()
    {
        using var other = new UdpClient("127.0.0.1", _bell.Port);
        await other.SendAsync(new byte[1]);
        Assert.False(_bell.Wait([], TimeSpan.FromMilliseconds(50)));
    }
}
