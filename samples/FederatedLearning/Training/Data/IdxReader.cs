using System.Buffers.Binary;

namespace FederatedLearning.Training.Data;

/// <summary>
/// IDX files, the format of MNIST (yann.lecun.com/exdb/mnist): 0, 0, element type, number of dimensions, each dimension
/// as a big-endian 32-bit number, then the elements. Here: unsigned bytes (type 8), three dimensions for images, one
/// for labels. Unpacked, not .gz.
/// </summary>
public static class IdxReader
{
    private const byte UnsignedByte = 8;
    private const int MaxSide = 1024;

    /// <summary>Reads images and labels.</summary>
    /// <param name="imageFile">Images, for example <c>train-images-idx3-ubyte</c>.</param>
    /// <param name="labelFile">Their labels, for example <c>train-labels-idx1-ubyte</c>.</param>
    /// <param name="classes">How many labels there are.</param>
    /// <exception cref="InvalidDataException">A file is not of the format, or the two do not belong together. Names the
    /// file.</exception>
    public static Dataset Read(string imageFile, string labelFile, int classes = 10)
    {
        using var images = File.OpenRead(imageFile);
        using var labels = File.OpenRead(labelFile);
        return Read(images, labels, classes, imageFile, labelFile);
    }

    /// <summary>Reads images and labels from streams that know their length.</summary>
    /// <inheritdoc cref="Read(string, string, int)"/>
    public static Dataset Read(
        Stream images, Stream labels, int classes = 10, string imageName = "images", string labelName = "labels")
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(labels);
        long[] shape = ReadHeader(images, imageName, 3);
        if (shape[1] is < 1 or > MaxSide || shape[2] is < 1 or > MaxSide)
            throw new InvalidDataException(
                $"{imageName}: images of {shape[1]} by {shape[2]}, but a side may have 1 to {MaxSide} pixels.");
        long count = ReadHeader(labels, labelName, 1)[0];
        if (count != shape[0])
            throw new InvalidDataException($"{imageName} has {shape[0]} images, {labelName} {count} labels.");
        int inputs = (int)(shape[1] * shape[2]);
        byte[] bytes = ReadElements(images, imageName, shape[0] * inputs);
        byte[] classLabels = ReadElements(labels, labelName, count);
        if (Array.FindIndex(classLabels, label => label >= classes) is var wrong and >= 0)
            throw new InvalidDataException(
                $"{labelName}: label {wrong} is {classLabels[wrong]}, but there are {classes} classes.");
        return new Dataset(inputs, classes, Array.ConvertAll(bytes, value => value / 255f), classLabels);
    }

    private static long[] ReadHeader(Stream file, string name, int dimensions)
    {
        Span<byte> header = stackalloc byte[4 + 4 * dimensions];
        int read = file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (read >= 2 && header[0] == 0x1F && header[1] == 0x8B)
            throw new InvalidDataException($"{name} is packed: unpack it with gunzip.");
        if (read < header.Length) throw new InvalidDataException($"{name} ends within the header.");
        if (header[0] != 0 || header[1] != 0)
            throw new InvalidDataException($"{name} is not an IDX file: it does not begin with two zeros.");
        if (header[2] != UnsignedByte)
            throw new InvalidDataException(
                $"{name} has elements of type {header[2]}; only unsigned bytes (8) are read.");
        if (header[3] != dimensions)
            throw new InvalidDataException($"{name} has {header[3]} dimensions, not {dimensions}.");
        long[] shape = new long[dimensions];
        for (int i = 0; i < dimensions; i++) shape[i] = BinaryPrimitives.ReadUInt32BigEndian(header[(4 + 4 * i)..]);
        return shape;
    }

    // The length is checked against the file before memory is taken.
    private static byte[] ReadElements(Stream file, string name, long count)
    {
        long there = file.Length - file.Position;
        if (there != count) throw new InvalidDataException($"{name} announces {count} elements and has {there}.");
        if (count is 0 or > 1 << 30)
            throw new InvalidDataException($"{name} has {count} elements; 1 to {1 << 30} are read.");
        byte[] bytes = new byte[count];
        file.ReadExactly(bytes);
        return bytes;
    }
}
