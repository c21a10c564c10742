using System.Buffers.Binary;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;

namespace FederatedLearning.Tests.Training;

public sealed class DataTests
{
    [Fact]
    public void Files_of_MNISTs_format_are_read()
    {
        var data = Read(Images(2, 2, 3, [0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]), Labels(2, [7, 0]));
        Assert.Equal((2, 6, 10), (data.Count, data.Inputs, data.Classes));
        Assert.Equal([0, 0.2f, 0.4f, 0.6f, 0.8f, 1], data.Image(0).ToArray());
        Assert.Equal([7, 0], data.Labels.ToArray());
    }

    [Fact]
    public void Each_malformed_file_is_refused_by_name_and_reason()
    {
        byte[] images = Images(2, 1, 1, [0, 1]);
        byte[] labels = Labels(2, [1, 2]);
        Refused("images ends within the header", images[..10], labels);
        Refused("images ends within the header", [], labels);
        Refused("images is packed", [0x1F, 0x8B, .. images], labels);
        Refused("not an IDX file", [1, 0, .. images[2..]], labels);
        Refused("type 13", [0, 0, 13, .. images[3..]], labels);
        Refused("1 dimensions, not 3", [.. labels, .. new byte[20]], labels);
        Refused("images announces 2 elements and has 1", images[..^1], labels);
        Refused("images announces 2 elements and has 3", [.. images, 0], labels);
        Refused("images announces 4294967295 elements", Images(-1, 1, 1, [0, 1]), Labels(-1, [1, 2]));
        Refused("2 images, labels 1 labels", images, Labels(1, [1]));
        Refused("a side may have", Images(2, 0, 1, []), labels);
        Refused("a side may have", Images(2, 1 << 20, 1 << 20, [0]), labels);
        Refused("label 1 is 10", images, Labels(2, [1, 10]));
        Refused("0 elements", Images(0, 1, 1, []), Labels(0, []));

        static void Refused(string reason, byte[] images, byte[] labels)
            => Assert.Contains(
                reason,
                Assert.Throws<InvalidDataException>(() => Read(images, labels)).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public void Every_image_goes_to_one_client_evenly_or_skewed_and_the_same_seed_splits_the_same()
    {
        byte[] labels = DrawnDigits.LabelsOf(1000);
        foreach (var shares in new[]
        {
            Partition.Even(1000, 7, 1),
            Partition.Dirichlet(labels, 7, 0.1, 1),
            Partition.Dirichlet(labels, 7, 100, 1),
            Partition.Dirichlet(labels, 200, 1e-3, 1)
        })
        {
            Assert.Equal(Enumerable.Range(0, 1000), shares.SelectMany(share => share).Order());
            Assert.All(shares, share => Assert.NotEmpty(share));
        }
        Assert.All(Partition.Even(1000, 7, 1), share => Assert.InRange(share.Count, 142, 143));
        Assert.Equal(Partition.Dirichlet(labels, 7, 0.5, 1), Partition.Dirichlet(labels, 7, 0.5, 1));
        Assert.NotEqual(Partition.Dirichlet(labels, 7, 0.5, 1), Partition.Dirichlet(labels, 7, 0.5, 2));
    }

    [Fact]
    public void A_small_alpha_skews_by_label_and_a_large_one_does_not()
    {
        byte[] labels = DrawnDigits.LabelsOf(5000);
        double LargestShareOfALabel(double alpha) => Partition.Dirichlet(labels, 5, alpha, 3)
            .Average(share => share.GroupBy(index => labels[index]).Max(group => (double)group.Count() / share.Count));
        Assert.True(LargestShareOfALabel(0.1) > 0.3);
        Assert.InRange(LargestShareOfALabel(1000), 0.1, 0.13);
    }

    [Fact]
    public void A_digit_is_the_same_whether_its_share_or_all_are_drawn()
    {
        var settings = new LearningSettings { TrainSamples = 60, TestSamples = 20, Shares = 3 };
        var all = LearningData.Load(settings);
        var shares = Enumerable.Range(0, 3).Select(i => LearningData.LoadShare(settings, i)).ToArray();
        Assert.Equal((60, 20), (shares.Sum(share => share.Train.Count), shares.Sum(share => share.Test.Count)));
        var first = Partition.Even(60, 3, settings.Seed)[0];
        for (int i = 0; i < first.Count; i++)
            Assert.Equal(all.Train.Image(first[i]).ToArray(), shares[0].Train.Image(i).ToArray());
        Assert.NotEqual(all.Train.Image(0).ToArray(), all.Test.Image(0).ToArray());
    }

    [Fact]
    public void The_clients_shares_of_files_are_those_of_the_files()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            string Write(string name, byte[] bytes)
            {
                File.WriteAllBytes(Path.Combine(folder.FullName, name), bytes);
                return Path.Combine(folder.FullName, name);
            }
            var settings = new LearningSettings
            {
                Files = new IdxFiles(Write("a", Images(4, 1, 1, [1, 2, 3, 4])), Write("b", Labels(4, [1, 2, 3, 4])),
                    Write("c", Images(2, 1, 1, [5, 6])), Write("d", Labels(2, [5, 6]))),
                Shares = 2,
            };
            var shares = new[] { LearningData.LoadShare(settings, 0), LearningData.LoadShare(settings, 1) };
            Assert.Equal(new byte[] { 1, 2, 3, 4 }, shares.SelectMany(share => share.Train.Labels.ToArray()).Order());
            Assert.All(shares, share => Assert.Equal(share.Train.Labels[0] / 255f, share.Train.Image(0)[0]));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Dataset Read(byte[] images, byte[] labels)
        => IdxReader.Read(new MemoryStream(images), new MemoryStream(labels));

    private static byte[] Images(int count, int rows, int columns, byte[] pixels)
        => [0, 0, 8, 3, .. Big(count), .. Big(rows), .. Big(columns), .. pixels];

    private static byte[] Labels(int count, byte[] labels) => [0, 0, 8, 1, .. Big(count), .. labels];

    private static byte[] Big(int number)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }
}
